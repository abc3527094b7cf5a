#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Streams: every option on the wire, closing and its reasons, stopping.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { listen, request, Server, sleep, test, until } from './wire.mjs'

const PEER = 0, END = 1, STOP = 2, TIMEOUT = 3, QUEUE = 4, LIFETIME = 5, ERROR = 6

let server
before(async () => { server = await Server.start('asan/topics') })
after(() => server?.stops())

const open = (kind, options) => listen(server, `/stream/${kind}`, options)
const names = stream => stream.events.map(event => event.event)
const count = (stream, n) =>
  until(() => stream.events.length >= n, () => `${n} events, ${stream.events.length} came`)

// What arrives at a bare socket until enough(its body), by default its end, and a little longer.
async function raw(target, { version = '1.1', fields = '', enough, more_ms = 0 } = {}) {
  const socket = await server.socket(), began = performance.now()
  const body = () => socket.got.split('\r\n\r\n').slice(1).join('\r\n\r\n')
  socket.write(`GET ${target} HTTP/${version}\r\nHost: localhost\r\n${fields}\r\n`)
  await until(() => enough && socket.got.includes('\r\n\r\n') ? enough(body()) : socket.closed,
    () => `enough of ${target}, got ${socket.got}`)
  await sleep(more_ms)
  const ended = socket.closed, ms = performance.now() - began
  socket.destroy()
  return { got: socket.got, ended, body: body(), ms }
}

// Runs fn and answers how many streams closed meanwhile for which reason; every one that was opened
// closes once.
async function closings(fn) {
  const idle = async () => (await server.stats()).streams === 0
  await until(idle, 'those before to close')
  const before = await server.stats()
  await fn()
  await until(idle, 'all streams to close')
  const now = await server.stats()
  assert.equal(now.closed.reduce((a, b) => a + b), now.opened, 'on_close ran once for each')
  return Object.fromEntries(now.closed.map((n, i) => [i, n - before.closed[i]])
    .filter(([, n]) => n))
}

test('the head, and that of HTTP/1.0', async () => {
  const stream = await open('plain')
  assert.equal(stream.status, 200)
  assert.equal(stream.headers['content-type'], 'text/event-stream')
  assert.equal(stream.headers['cache-control'], 'no-cache')
  assert.equal(stream.headers['x-accel-buffering'], 'no')
  stream.close()
  const cached = await open('cache')
  assert.equal(cached.headers['cache-control'], 'public, max-age=29')
  cached.close()
  const old = await raw('/stream/both', { version: '1.0' })
  assert(old.ended)
  assert.doesNotMatch(old.got, /chunked/i)
  assert.equal(old.body, 'event: first\ndata: 1\n\nevent: last\ndata: 2\n\n')
})

test('pings: by interval, of one\'s own, none', async () => {
  const { body, ms } = await raw('/stream/ping', { enough: got => got.split(':').length > 3 })
  assert.match(body, /^(3\r\n:\n\n\r\n){3,}$/)
  const pings = body.split(':').length - 1
  assert(ms > 40 * pings, `${pings} pings in ${ms} ms, at one in 50`)
  const own = await open('pings')
  await count(own, 3)
  assert.deepEqual(own.last, { event: 'ping', data: 'here', id: '' })
  own.close()
  assert.equal((await raw('/stream/noping', { enough: () => true, more_ms: 200 })).body, '')
})

test('first, last and the lifetime', async () => {
  const reasons = await closings(async () => {
    const stream = await open('both')
    await until(() => stream.closed, 'the lifetime to end')
    assert.deepEqual(names(stream), ['first', 'last'])
  })
  assert.deepEqual(reasons, { [LIFETIME]: 1 })
})

test('retry, spread over the clients', async () => {
  const streams = await Promise.all(Array.from({ length: 20 }, () => open('retry')))
  await until(() => streams.every(stream => stream.parser.retry), 'the retry')
  const retries = streams.map(stream => stream.parser.retry)
  assert(retries.every(ms => ms >= 1000 && ms < 1500), String(retries))
  assert(new Set(retries).size > 5)
  streams.forEach(stream => stream.close())
  const far = await open('spread')
  await until(() => far.parser.retry, 'a retry that does not overflow')
  assert.equal(far.parser.retry, 2147483647)
  far.close()
})

test('a step generates, and ends the stream', async () => {
  const reasons = await closings(async () => {
    const stream = await open('step')
    await until(() => stream.closed, 'the end')
    assert.deepEqual(stream.events.map(event => event.data), ['3', '2', '1', '2'])
    assert.equal(stream.last.event, 'last')
  })
  assert.deepEqual(reasons, { [END]: 1 })
})

test('a step waits while unsent bytes wait; who takes nothing is cut', async () => {
  const reasons = await closings(async () => {
    const socket = await server.socket({ read: false })
    socket.pause()
    socket.write('GET /stream/flood HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(async () => (await server.stats()).streams === 1, 'the stream')
    let ticks = -1
    for (let same = 0; same < 3; await sleep(20)) { // until the kernel takes no more
      const now = (await server.stats()).ticks
      same = now === ticks ? same + 1 : 0
      ticks = now
    }
    await until(async () => (await server.stats()).streams === 0, 'the send timeout')
    assert.equal((await server.stats()).ticks, ticks, 'no step while bytes wait')
    socket.destroy()
  })
  assert.deepEqual(reasons, { [TIMEOUT]: 1 })
})

test('a raw stream: its type, its bytes, no pings, no events', async () => {
  const { got, body } =
    await raw('/stream/raw', { enough: got => got.endsWith('jpeg\r\n\r\n'), more_ms: 100 })
  assert.match(got, /content-type: multipart\/x-mixed-replace; boundary=frame\r\n/i)
  assert.equal(body, '9\r\n--frame\r\n\r\nb\r\njpeg\0jpeg\r\n\r\n')
})

test('options that cannot be: no stream, the browser comes back, on_close all the same',
    async () => {
  for (const kind of ['badfirst', 'badlast', 'status']) {
    const reasons = await closings(async () => {
      const reply = await raw(`/stream/${kind}`,
        { fields: 'Accept: text/event-stream\r\nConnection: close\r\n' })
      assert.match(reply.got, /^HTTP\/1.1 200 OK\r\n/, kind)
      assert.match(reply.body, /retry: \d+\n\n/, kind)
      assert(reply.ended)
    })
    assert.deepEqual(reasons, { [ERROR]: 1 }, kind)
  }
})

test('HEAD is answered by the head alone', async () => {
  const { status, headers, body } = await request(server, 'HEAD', '/stream/plain')
  assert.deepEqual([status, headers['content-type'], body], [200, 'text/event-stream', ''])
})

test('ended in its own handler; a second one is refused', async () => {
  const stream = await open('ended')
  await until(() => stream.closed, 'the end')
  assert.deepEqual(names(stream), ['first', 'last'])
})

test('a farewell that does not fit cuts the stream and nothing else', async () => {
  for (const encoding of ['br', 'gzip', 'identity'])
    // cut before or behind its head
    await listen(server, '/long-farewell', { headers: { 'Accept-Encoding': encoding } })
      .catch(() => {})
  assert.equal((await request(server, 'GET', '/stats')).status, 200)
})

test('a stream is found by its id, and only by it', async () => {
  const a = await open('named'), b = await open('named')
  await count(a, 1)
  await count(b, 1)
  const ids = [a.last.data, b.last.data]
  assert.notEqual(...ids)
  assert.equal((await request(server, 'POST', `/to/${ids[0]}`, { body: 'for you' })).status, 204)
  await count(a, 2)
  assert.deepEqual([a.last.data, b.events.length], ['for you', 1])
  const forged = [ids[0].slice(0, -1) + (ids[0].endsWith('A') ? 'Q' : 'A'),
    ids[0].split('-').slice(0, 2).join('-'), '0-1-', '4294967296-1-x', '-', 'x']
  for (const id of forged)
    assert.equal((await request(server, 'POST', `/to/${id}`, { body: 'x' })).status, 404, id)
  a.close()
  await until(async () =>
    (await request(server, 'POST', `/to/${ids[0]}`, { body: 'x' })).status === 404,
    'the stream to be gone')
  const c = await open('named') // in the same slot
  await count(c, 1)
  assert.equal((await request(server, 'POST', `/to/${ids[0]}`, { body: 'x' })).status, 404)
  b.close()
  c.close()
})

test('a peer that leaves is noticed at once, however idle', async () => {
  const reasons = await closings(async () => {
    const stream = await open('noping')
    const half = await server.socket()
    half.write('GET /stream/noping HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => half.got, 'the head')
    stream.close()
    half.end() // shuts its side only
    await until(async () => (await server.stats()).streams === 0, 'both to be noticed')
  })
  assert.deepEqual(reasons, { [PEER]: 2 })
})

test('over the queue limit a stream closes; one event may be of any size', async () => {
  const reasons = await closings(async () => {
    const stream = await open('queue')
    stream.close()
    const big = await listen(server, '/topics/one?queue=1000')
    await request(server, 'POST', '/topics/one', { body: 'x'.repeat(900000) })
    await count(big, 1)
    assert.equal(big.last.data.length, 900000)
    big.close()
  })
  assert.deepEqual(reasons, { [PEER]: 2 })
})

test('revoking: all streams of one person, of a label, of a topic', async () => {
  const end = async query => (await request(server, 'POST', `/end?${query}`)).body
  const reasons = await closings(async () => {
    const ann = await Promise.all([1, 2].map(() => listen(server, '/topics/a?who=ann&label=x')))
    const bob = await listen(server, '/topics/a?who=bob&label=x')
    const eve = await listen(server, '/topics/b?who=eve&label=y')
    assert.equal(await end('who=ann'), '2 2')
    await until(() => ann.every(stream => stream.closed), 'the streams to end')
    assert.deepEqual(ann.map(stream => stream.last.event), ['bye', 'bye'])
    assert(!bob.closed && !eve.closed)
    assert.equal(await end('who=nobody'), '0 0')
    assert.equal(await end('who=eve&topic=a'), '0 0')
    assert.equal(await end('label=y&topic=b'), '1 1')
    assert.equal(await end(''), '-2 -2', 'an empty filter is a mistake')
    assert.equal(await end('topic=a'), '1 1')
    await until(() => bob.closed && eve.closed, 'the streams to end')
    assert.equal(await end('all'), '0 0')
  })
  assert.deepEqual(reasons, { [END]: 4 })
})

test('silence to an EventSource: come back later; 204: never', async () => {
  const reply = await raw('/nothing', { fields: 'Accept: text/event-stream\r\n' })
  assert.match(reply.got, /^HTTP\/1.1 200 OK\r\n/)
  assert.match(reply.got, /content-type: text\/event-stream/i)
  assert.match(reply.body, /retry: \d+\n\n/)
  assert(reply.ended, 'and it closes')
  assert.equal((await request(server, 'GET', '/nothing')).status, 204)
  assert.equal((await request(server, 'GET', '/no-more',
    { headers: { Accept: 'text/event-stream' } })).status, 204)
})

test('the stop: on_stop, the last event, the reason; in time with 1,000 open streams', async () => {
  const many = await Server.start('asan/topics')
  const streams = []
  for (let i = 0; i < 10; i++)
    streams.push(...await Promise.all(
      Array.from({ length: 100 }, () => listen(many, '/topics/room.1,kept.1?label=x'))))
  const said = await listen(many, '/stream/stop')
  await many.stops()
  await until(() => streams.every(stream => stream.closed) && said.closed, 'all to be closed')
  assert.deepEqual(names(said), ['stopping', 'stopping', 'last'])
})

test('the stop, while what on_stop publishes closes others', async () => {
  const many = await Server.start('asan/topics')
  const streams = []
  for (let i = 0; i < 20; i++)
    streams.push(await listen(many, i % 2 ? '/stream/stop' : '/topics/stopping?queue=60'))
  await many.stops()
  await until(() => streams.every(stream => stream.closed), 'all to be closed')
})
