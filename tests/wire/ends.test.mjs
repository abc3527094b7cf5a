#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// How streams end: whole where the program ended them, on a connection that goes on; broken off
// everywhere else.
import assert from 'node:assert/strict'
import http from 'node:http'
import { after, before } from 'node:test'
import { listen, request, Server, sleep, test, until } from './wire.mjs'

const encodings = ['identity', 'gzip', 'br']
let server
before(async () => { server = await Server.start('asan/ends') })
after(() => server?.stops())

const data = stream => stream.events.map(event => event.data)
const get = (target, ...fields) =>
  ['GET ' + target + ' HTTP/1.1', 'Host: localhost', ...fields, '', ''].join('\r\n')

async function ended(target, encoding) {
  const stream = await listen(server, target, { headers: { 'Accept-Encoding': encoding } })
  await until(() => stream.closed, `${target} to end`)
  return stream
}

// A request of HTTP/1.0 at a bare socket, read to the end: what came, and whether that was a reset.
async function old(target) {
  const socket = await server.socket()
  let reset = false
  socket.on('error', error => { reset = error.code === 'ECONNRESET' })
  socket.write(`GET ${target} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`)
  await until(() => socket.closed || socket.readableEnded, `${target} to end`, 20000)
  return { head: socket.got.split('\r\n\r\n')[0], body: socket.got.split('\r\n\r\n')[1], reset }
}

// One that a reset ends. To node a reset beside the last bytes is an end: it looks again.
async function broken_off(target) {
  for (let tries = 0; tries < 5; tries++) {
    const reply = await old(target)
    if (reply.reset) return reply
  }
}

test('what the program ends is whole: sse_stream_end, SSE_END, sse_streams_close', async () => {
  for (const encoding of encodings) {
    for (const [how, want] of [['end', ['one', 'last']], ['step-end', ['one', 'step', 'last']],
        ['quiet', []]]) {
      const stream = await ended(`/stream/${how}`, encoding)
      assert(stream.complete && !stream.error, `${how} in ${encoding}: ${stream.error}`)
      assert.deepEqual(data(stream), want, how)
    }
    const stream =
      await listen(server, '/stream/open', { headers: { 'Accept-Encoding': encoding } })
    assert.equal((await request(server, 'POST', '/close/open')).body, '1')
    await until(() => stream.closed, 'the end')
    assert(stream.complete && !stream.error, encoding)
    assert.deepEqual(data(stream), ['one', 'last'])
  }
})

// S5
test('every other end breaks off, behind the last event: lifetime, reconnect, SSE_RECONNECT',
    async () => {
  for (const encoding of encodings)
    for (const [how, want] of [['lifetime', ['one', 'last']], ['reconnect', ['one', 'last']],
        ['step-reconnect', ['one', 'step', 'last']]]) {
      const stream = await ended(`/stream/${how}`, encoding)
      assert(!stream.complete, `${how} in ${encoding}`)
      assert.deepEqual(data(stream), want, how)
    }
})

test('a reader that is too slow is cut without an end', async () => {
  for (const how of ['slow', 'queue']) {
    const socket = await server.socket({ read: false })
    socket.pause()
    const cuts = async () => Number((await request(server, 'GET', '/cuts')).body)
    const before = await cuts()
    socket.write(get(`/stream/${how}`, 'Accept: text/event-stream'))
    await until(async () => await cuts() > before, `${how}: the cut`)
    let tail = ''
    socket.setEncoding('latin1').on('data', text => { tail = (tail + text).slice(-20) }).resume()
    await until(() => socket.closed || socket.readableEnded, `${how}: the end`)
    assert(!tail.endsWith('0\r\n\r\n'), how)
  }
})

test('a whole end keeps the connection: streams and other replies in turns, in every encoding',
    async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  let sockets = 0
  agent.on('free', () => {})
  for (let i = 0; i < 60; i++) {
    const encoding = encodings[i % 3], headers = { 'Accept-Encoding': encoding }
    const { status, headers: head, body } = await new Promise((done, failed) => {
      const req = http.request({ host: '127.0.0.1', port: server.port, path: i % 2 ? '/stream/end'
          : '/stream/step-end', method: i % 2 ? 'POST' : 'GET', agent, headers }, res => {
        let bytes = 0
        res.on('data', chunk => { bytes += chunk.length }).on('error', failed)
          .on('end', () => done({ status: res.statusCode, headers: res.headers, body: bytes }))
      })
      req.on('socket', socket => { if (!socket.seen) { socket.seen = true; sockets++ } })
        .on('error', failed).end()
    })
    assert.equal(status, 200)
    assert.notEqual(head.connection, 'close')
    assert(body > 0)
    assert.equal((await request(server, 'GET', '/plain', { agent })).body, 'plain')
  }
  assert.equal(sockets, 1, 'one connection for all of them')
  agent.destroy()
})

test('each of many gzip streams on one connection has a trailer of its own', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 5; i++) {
    const text = await new Promise((done, failed) => {
      http.get({ host: '127.0.0.1', port: server.port, path: '/stream/end', agent,
          headers: { 'Accept-Encoding': 'gzip' } }, async res => {
        const { gunzipSync } = await import('node:zlib'), chunks = []
        res.on('data', chunk => chunks.push(chunk)).on('end', () => {
          try { done(gunzipSync(Buffer.concat(chunks)).toString()) } catch (error) { failed(error) }
        })
      }).on('error', failed)
    })
    assert.equal(text, 'data: one\n\ndata: last\n\n', `stream ${i}`)
  }
  agent.destroy()
})

test('500 short streams by a keep-alive agent, none refused or reset', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  const failed = []
  const one = i => request(server, i % 3 ? 'POST' : 'GET', i % 5 ? '/stream/end' : '/plain',
    { agent, headers: i % 2 ? { 'Accept-Encoding': 'gzip' } : {} })
    .then(({ status }) => { if (status !== 200) failed.push(status) },
      error => failed.push(error.code))
  for (let i = 0; i < 500; i += 50)
    await Promise.all(Array.from({ length: 50 }, (_, k) => one(i + k)))
  assert.deepEqual(failed, [])
  agent.destroy()
})

test('what is pipelined behind a stream waits for its end, and is answered then', async () => {
  for (const together of [true, false]) {
    const socket = await server.socket()
    const first = get('/stream/open')
    const then = get('/plain') + get('/stream/quiet') + get('/plain', 'Connection: close')
    socket.write(together ? first + then : first)
    await until(() => socket.got.includes('data: one'), 'the stream')
    if (!together) socket.write(then)
    await sleep(100)
    assert(!socket.got.includes('plain'), 'not answered inside the stream')
    await request(server, 'POST', '/close/open')
    await until(() => socket.closed || socket.readableEnded, 'the replies behind it', 20000)
    const replies = ['data: last\n\n\r\n0\r\n\r\n', '[^]*plain', '[^]*chunked[^]*\r\n\r\n0\r\n\r\n',
      '[^]*Connection: close[^]*plain$']
    assert.match(socket.got, new RegExp(replies.join('HTTP/1\\.1 200 ')))
  }
})

test('input behind a stream is not read without bound, and who leaves is noticed all the same',
    async () => {
  const socket = await server.socket()
  const before = (await request(server, 'POST', '/close/none')).status
  assert.equal(before, 200)
  socket.write(get('/stream/open'))
  await until(() => socket.got.includes('data: one'), 'the stream')
  const rss = server.rss_kb()
  for (let i = 0; i < 64; i++) socket.write('x'.repeat(65536))
  await sleep(300)
  assert(server.rss_kb() - rss < 3000, `${server.rss_kb() - rss} KB more`)
  assert(socket.writableLength > 0, 'it waits in the kernel and here')
  socket.destroy()
  await until(async () => (await request(server, 'POST', '/close/open')).body === '0',
    'the stream to be gone', 20000)
})

test('HTTP/1.0: a whole end closes at once; any other is a reset, behind all that was sent',
    async () => {
  const quiet = await old('/stream/quiet')
  assert.match(quiet.head, /Connection: close/)
  assert.doesNotMatch(quiet.head, /chunked/i)
  assert.deepEqual([quiet.body, quiet.reset], ['', false])
  const end = await old('/stream/end')
  assert.deepEqual([end.body, end.reset], ['data: one\n\ndata: last\n\n', false])
  for (const how of ['lifetime', 'reconnect']) {
    const other = await broken_off(`/stream/${how}`)
    assert.equal(other?.body, 'data: one\n\ndata: last\n\n', how)
  }
})

test('sse_come_back: a retry and no end to clients that ask for events, ' +
    '503 and a kept connection to all others', async () => {
  const datastar =
    { Accept: 'text/event-stream, text/html, application/json', 'Datastar-Request': 'true' }
  for (const target of ['/no-room', '/no-room?deferred']) {
    for (const headers of [{ Accept: 'text/event-stream' }, datastar]) {
      const { status, headers: head, body, complete } =
        await request(server, 'GET', target, { headers, partial: true })
      assert.deepEqual([status, head.connection, body, complete],
        [200, 'close', 'retry: 1500\n\n', false])
    }
    for (const [method, headers] of [['GET', { Accept: '*/*' }], ['POST', datastar],
        ['POST', { Accept: 'text/event-stream' }]]) {
      const agent = new http.Agent({ keepAlive: true })
      const { status, headers: head, body } =
        await request(server, method, target, { headers, agent })
      assert.deepEqual([status, head.connection, head['retry-after']], [503, undefined, '2'])
      assert.match(body, /come back later/)
      agent.destroy()
    }
    assert.equal((await broken_off(target))?.body, 'retry: 1500\n\n')
  }
})

test('HTTP/1.0: the reset waits for a reader that begins late', async () => {
  const socket = await server.socket({ read: false })
  socket.pause()
  socket.write('GET /stream/later HTTP/1.0\r\nHost: localhost\r\n\r\n')
  await sleep(700)
  let bytes = 0, tail = '', reset = false
  socket.on('error', error => { reset = error.code === 'ECONNRESET' })
  socket.setEncoding('latin1')
    .on('data', text => { bytes += text.length; tail = (tail + text).slice(-20) }).resume()
  await until(() => socket.closed, 'the reset')
  assert(bytes > 4000000 && tail.endsWith('data: last\n\n') && reset,
    `${bytes} bytes, then ${JSON.stringify(tail)}`)
})

test('HEAD has no body, whoever answers it: what is behind it is the next reply', async () => {
  const heads = ['basic', 'fail', 'text', 'file', 'back', 'stream'].map(how => `/hooked/${how}`)
  for (const target of [...heads, '/nowhere', '/plain', '/stream/open']) {
    const socket = await server.socket()
    socket.write(`HEAD ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n` +
      get('/plain', 'Connection: close'))
    await until(() => socket.closed || socket.readableEnded, target, 20000)
    assert.match(socket.got,
      /^HTTP\/1\.1 \d{3} [^\r]+\r\n(?:[^\r]+\r\n)+\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nplain$/,
      target)
  }
  for (const bad of ['HEAD / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      `HEAD /${'x'.repeat(20000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      'HEAD /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n']) {
    const socket = await server.socket()
    socket.write(bad)
    await until(() => socket.closed || socket.readableEnded, 'the refusal', 20000)
    // its head was not read
    if (!bad.includes('xxx')) assert.match(socket.got, /^HTTP\/1\.1 4\d\d [^]*\r\n\r\n$/)
  }
})

test('a raw stream has no events in it, however it ends', async () => {
  assert.equal((await request(server, 'GET', '/raw?end')).body, '{}\n')
  const open = request(server, 'GET', '/raw')
  await until(async () => (await request(server, 'POST', '/close/raw')).body === '1',
    'the stream to be closed')
  assert.equal((await open).body, '{}\n')
})

test('a last event that cannot be sent is left out', async () => {
  assert.equal((await request(server, 'GET', '/bad-last')).body, '')
})

test('one event may be of any size, also in the handler that opens the stream', async () => {
  for (const [how, at] of [['large-first', 0], ['large', 1]]) {
    const stream = await listen(server, `/stream/${how}`)
    await until(() => stream.events.length > at || stream.closed, 'the event')
    assert.equal(stream.events[at]?.data.length, (3 << 20) - 1, how)
    assert(!stream.closed)
    stream.close()
  }
})

test('the stop: generators and jobs send what they still must, several events, ' +
    'and end as they choose', async () => {
  const draining = await Server.start('asan/ends', { args: ['60000'] })
  const open = target => listen(draining, target, { headers: { 'Accept-Encoding': 'br' } })
  const whole = await Promise.all(['/drain/job?whole', '/drain/generator?whole'].map(open))
  const later = await Promise.all(['/drain/job', '/drain/generator'].map(open))
  const plain = await open('/stream/open')
  const began = Date.now(), { code, stderr } = await draining.stop()
  assert.equal(code, 0, stderr)
  assert(Date.now() - began < 30000, 'it does not wait for the rest of the grace period')
  await until(() => [...whole, ...later, plain].every(stream => stream.closed), 'all to be closed')
  for (const [job, generator] of [whole, later]) {
    assert.deepEqual(data(job),
      ['one', 'told', 'wrapping up', 'wrapping up', 'wrapping up', 'last'])
    assert.deepEqual(data(generator), ['one', 'farewell', 'farewell', 'farewell', 'last'])
  }
  assert(whole.every(stream => stream.complete) && later.every(stream => !stream.complete))
  assert.deepEqual([data(plain), plain.complete], [['one', 'last'], false])
  assert.equal(stderr.match(/job over by 1, 0 left/g).length, 4)
})

test('the stop: what does not end by itself has its last event when the grace period is over, ' +
    'and no end', async () => {
  const draining = await Server.start('asan/ends', { args: ['600'] })
  const streams =
    await Promise.all(['/drain/forever', '/drain/endless'].map(target => listen(draining, target)))
  const began = Date.now(), { code, stderr } = await draining.stop()
  assert.equal(code, 0, stderr)
  assert(Date.now() - began >= 500, 'not before')
  await until(() => streams.every(stream => stream.closed), 'all to be closed')
  for (const stream of streams)
    assert.deepEqual([data(stream).at(-1), stream.complete], ['last', false])
  assert(data(streams[1]).filter(text => text === 'tick').length > 10, 'the generator went on')
  assert.equal(stderr.match(/job over by 2/g).length, 2)
})

test('a stream that is opened while the app stops ends like the others', async () => {
  const draining = await Server.start('asan/ends', { args: ['5000'] })
  const held = await listen(draining, '/drain/forever'), socket = await draining.socket()
  socket.write(get('/stream/open').slice(0, -2)) // its head is in but for the last line
  await sleep(100)
  const stopping = draining.stop()
  await until(() => data(held).includes('told'), 'the stop')
  socket.write('\r\n')
  await until(() => socket.closed || socket.readableEnded, 'the end', 20000)
  assert(!held.closed && !held.readableEnded, 'it need not wait for the one that never ends')
  assert.match(socket.got, /Connection: close[^]*data: one[^]*data: last\n\n\r\n$/)
  assert.equal((await stopping).code, 0)
})

// O4
test('a stream on a topic with a history has an id before its first event: ' +
    'nothing is lost while its quiet client is away', async () => {
  for (const [first, again] of [['/topic/kept.a', '/topic/kept.a'],
      ['/topic/kept.b*?pattern', '/topic/kept.b*?pattern'], ['/late', '/topic/kept.late']]) {
    const name = /kept\.[a-z]+/.exec(again)[0]
    for (const encoding of encodings) {
      const stream = await listen(server, first, { headers: { 'Accept-Encoding': encoding } })
      const id = await until(() => stream.parser.lastEventId, `an id of ${first}`)
      assert.deepEqual(stream.events, [], 'which is no event')
      stream.close()
      await request(server, 'POST', `/topic/${name}`, { body: `while away (${encoding})` })
      const back = await listen(server, again, { headers: { 'Last-Event-ID': id } })
      await until(() => back.last, 'what was missed')
      await sleep(30)
      assert.deepEqual(data(back), [`while away (${encoding})`], 'that, once, and no gap')
      back.close()
    }
  }
  const none = await listen(server, '/topic/other')
  await request(server, 'POST', '/topic/other', { body: 'x' })
  await until(() => none.last, 'an event without a history')
  assert.equal(none.parser.lastEventId, '')
  none.close()
})

test('after a gap with nothing to replay there is an id that is known again', async () => {
  const stream =
    await listen(server, '/topic/kept.empty', { headers: { 'Last-Event-ID': '00000000-77' } })
  await until(() => stream.last, 'the gap')
  assert.equal(stream.last.event, 'gap')
  const id = await until(() => stream.parser.lastEventId, 'a new id')
  stream.close()
  const back = await listen(server, '/topic/kept.empty', { headers: { 'Last-Event-ID': id } })
  await sleep(100)
  assert.deepEqual(back.events, [], 'no second gap')
  back.close()
})
