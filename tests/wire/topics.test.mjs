#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Topics: history and resume, presence, slow readers, the database.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before } from 'node:test'
import path from 'node:path'
import { listen, patience, request, Server, sleep, test, test_of, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/topics') })
after(() => server?.stops())

const say = async (at, topic, body, query = '') => {
  const reply = await request(at, 'POST', `/topics/${topic}${query}`, { body })
  assert.equal(reply.status, 204, reply.body)
}
const data = stream => stream.events.map(event => event.data)
const resume = (at, topics, id, query = '') =>
  listen(at, `/topics/${topics}${query}`, { headers: { 'Last-Event-ID': id } })
const settle = async (streams, count) =>
  until(() => streams.every(stream => stream.events.length >= count),
  () => `${count} events (${streams.map(s => s.events.length)})`)
const close = (...streams) => streams.forEach(stream => stream.close())
const gap = reason => JSON.stringify({ reason })

test('a history gives ids that grow, and none to what is ephemeral', async () => {
  const stream = await listen(server, '/topics/kept.ids')
  await say(server, 'kept.ids', 'a')
  await say(server, 'kept.ids', 'b')
  await say(server, 'kept.ids', 'c', '?ephemeral')
  await settle([stream], 3)
  const ids = stream.events.map(event => event.id)
  assert.match(ids[0], /^[0-9a-f]{8}-\d+$/)
  const number = id => Number(id.split('-')[1])
  assert(number(ids[1]) > number(ids[0]))
  assert.equal(ids[2], ids[1], 'no id of its own')
  close(stream)
  const again = await resume(server, 'kept.ids', ids[0])
  await settle([again], 1)
  await sleep(50)
  assert.deepEqual(data(again), ['b'])
  close(again)
})

test('who comes back gets what it missed, in order, of several topics and patterns, once',
    async () => {
  const first = await listen(server, '/topics/kept.a')
  await say(server, 'kept.a', '0')
  await settle([first], 1)
  close(first)
  for (let i = 1; i <= 20; i++) await say(server, i % 3 ? 'kept.a' : 'kept.b', String(i))
  const { resumes } = await server.stats()
  const again = await resume(server, 'kept.a,kept.b,kept.none', first.last.id, '?pattern=kept.*')
  await settle([again], 20)
  await say(server, 'kept.b', '21')
  await settle([again], 21)
  assert.deepEqual(data(again), Array.from({ length: 21 }, (_, i) => String(i + 1)))
  assert.equal((await server.stats()).resumes, resumes + 1)
  close(again)
})

test('the query parameter lastEventId, which the header overrules', async () => {
  const first = await listen(server, '/topics/kept.query')
  for (const text of ['1', '2', '3']) await say(server, 'kept.query', text)
  await settle([first], 3)
  const [one, two] = first.events.map(event => event.id)
  const by_query = await listen(server, `/topics/kept.query?lastEventId=${one}`)
  const by_both = await resume(server, 'kept.query', two, `?lastEventId=${one}`)
  await settle([by_query], 2)
  await settle([by_both], 1)
  assert.deepEqual([data(by_query), data(by_both)], [['2', '3'], ['3']])
  close(first, by_query, by_both)
})

test('no gap and no duplicate where replay meets the live flow', async () => {
  const streams = []
  let last = (await listen(server, '/topics/kept.join'))
  streams.push(last)
  let n = 0
  let over = false
  const publishing = (async () => { while (!over) await say(server, 'kept.join', String(n++)) })()
  for (let i = 0; i < 20; i++) { // each leaves at some moment and comes back at once
    await until(() => last.last, 'an event')
    const id = last.last.id, seen = Number(last.last.data)
    const next = await resume(server, 'kept.join', id)
    await until(() => next.last, 'an event after coming back')
    assert.equal(Number(next.events[0].data), seen + 1)
    streams.push(last = next)
    await sleep(5)
  }
  over = true
  await publishing
  await until(() => streams.every(stream => stream.last.data === String(n - 1)),
    'all to have the last event')
  for (const stream of streams) {
    const got = data(stream).map(Number)
    got.forEach((value, i) => assert.equal(value, got[0] + i))
  }
  close(...streams)
})

test('a newcomer is greeted with the last events, once the handler has returned', async () => {
  for (const text of ['1', '2', '3', '4', '5']) await say(server, 'kept.greet', text)
  const stream = await listen(server, '/topics/kept.greet?hello=kept.greet')
  await settle([stream], 4)
  assert.deepEqual(stream.events.map(event => event.event === 'hello' ? 'hello' : event.data),
    ['3', '4', '5', 'hello'])
  const quiet = await listen(server, '/topics/kept.greet?hello=kept.greet&quiet=1')
  await settle([stream], 5)
  await say(server, 'kept.greet', '6')
  await settle([quiet], 4)
  assert.equal(quiet.events.filter(event => event.event === 'hello' &&
    event.data === stream.events[4].data).length, 0, 'not its own')
  close(stream, quiet)
})

test('too late: a gap event, named by the topic, then all that is kept', async () => {
  const first = await listen(server, '/topics/kept.short')
  await say(server, 'kept.short', '0')
  await settle([first], 1)
  close(first)
  for (let i = 1; i <= 10; i++) await say(server, 'kept.short', String(i))
  const fits = await resume(server, 'kept.short', first.last.id)
  await settle([fits], 10)
  await say(server, 'kept.short', '11')
  const late = await resume(server, 'kept.short', first.last.id)
  await settle([late], 11)
  assert.deepEqual([late.events[0].event, late.events[0].data], ['begin-again', gap('expired')])
  assert.deepEqual(data(late).slice(1), Array.from({ length: 10 }, (_, i) => String(i + 2)))
  close(fits, late)
})

test('ids of any other making are unknown, and harmless', async () => {
  await say(server, 'kept.hostile', 'mine')
  await say(server, 'kept.secret', 'not for you')
  const probe = await resume(server, 'kept.hostile', 'x')
  await settle([probe], 2)
  const [epoch] = probe.last.id.split('-')
  const far = '9'.repeat(19)
  for (const id of ['x', '-', '0', '-1', `${epoch}-`, `${epoch}--1`, `${epoch}-${far}`,
    `${epoch}-${far}9`, `${epoch}-99999999999999999999999`, `${epoch}-1e3`, `${epoch}-0x10`,
    `${epoch}- 1`, `00000000-1`, `${epoch.toUpperCase()}G-1`, '\u00e9', '%00', 'a'.repeat(15000),
    `${epoch}-${'1'.repeat(15000)}`, '*', '../..', "' OR 1=1 --"]) {
    const stream = await resume(server, 'kept.hostile', id)
    assert.equal(stream.status, 200, id.slice(0, 40))
    await settle([stream], 2)
    assert.deepEqual(stream.events.map(event => [event.event, event.data]),
      [['gap', gap('unknown')], ['message', 'mine']], id.slice(0, 40))
    close(stream)
  }
  // a forged one chooses a place, in its own topics
  const zero = await resume(server, 'kept.hostile', `${epoch}-0`)
  await settle([zero], 1)
  assert.deepEqual(data(zero), ['mine'])
  close(probe, zero)
  assert.equal((await request(server, 'GET', '/topics/kept.hostile?lastEventId=%00')).status, 400)
})

test('an id that the program gives is an alias', async () => {
  const first = await listen(server, '/topics/kept.alias')
  await say(server, 'kept.alias', '1', '?id=one')
  await say(server, 'kept.alias', '2')
  await say(server, 'kept.alias', '3', '?id=one')
  await say(server, 'kept.alias', '4')
  await settle([first], 4)
  assert.equal(first.events[0].id, 'one')
  const again = await resume(server, 'kept.alias', 'one')
  await settle([again], 1)
  await sleep(50)
  assert.deepEqual(data(again), ['4'], 'after the newest of that name')
  close(first, again)
})

test('history by bytes and by age', async () => {
  const text = 'x'.repeat(200)
  for (let i = 0; i < 20; i++) await say(server, 'bytes', `${i} ${text}`)
  const kept = (await request(server, 'GET', '/history/bytes')).body.split('\n')
  assert(kept.length > 3 && kept.length < 6, `${kept.length} kept`)
  await say(server, 'bytes', 'y'.repeat(5000))
  assert.equal((await request(server, 'GET', '/history/bytes')).body.split('\n').length, 2,
    'one event may be of any size')
  await say(server, 'aged.1', 'old')
  assert.match((await request(server, 'GET', '/history/aged.1')).body, /"old"/)
  const { topics } = await server.stats()
  await until(async () => (await server.stats()).topics === topics - 1,
    'the topic to go with its history')
  assert.equal((await request(server, 'GET', '/history/aged.1')).body, '.')
})

test('a history as the program reads it', async () => {
  await say(server, 'kept.read', 'two\nlines', '?event=named')
  await say(server, 'kept.read', '')
  await say(server, 'kept.read', 'x', '?id=mine')
  const { body } = await request(server, 'GET', '/history/kept.read?limit=3')
  const [a, b, c] = body.trim().split('\n')
    .map(line => line.startsWith('{') ? JSON.parse(line) : null)
  assert.deepEqual([a.event, a.data, b.event, b.data, c.data, c.id],
    ['named', 'two\nlines', null, '', 'x', 'mine'])
  assert.match(a.id, /^[0-9a-f]{8}-\d+$/)
  assert.equal((await request(server, 'GET', '/history/kept.read?limit=1')).body.split('\n').length,
    2)
  assert.equal((await request(server, 'GET', '/history/plain')).status, 404)
})

test_of('SSE_NO_THREADS', 'published by two threads: one order, ids from the loop', async () => {
  const streams = await Promise.all([1, 2].map(() => listen(server, '/topics/kept.threads')))
  await request(server, 'POST', '/threads')
  await settle(streams, 1000)
  assert.deepEqual(data(streams[0]), data(streams[1]))
  const numbers = streams[0].events.map(event => Number(event.id.split('-')[1]))
  assert(numbers.every((n, i) => !i || n > numbers[i - 1]))
  const got = data(streams[0]).map(Number).sort((a, b) => a - b)
  assert.deepEqual(got, Array.from({ length: 1000 }, (_, i) => i >> 1))
  close(...streams)
})

test('presence counts people: joins and leaves, not reloads and second tabs', async () => {
  const watcher = await listen(server, '/topics/room.1')
  const who = async () => (await request(server, 'GET', '/who/room.1')).body
  const ann = await listen(server, '/topics/room.1?who=ann')
  await settle([watcher], 1)
  const tab = await listen(server, '/topics/room.1?who=ann')
  const bob = await listen(server, '/topics/room.1?who=bob')
  await settle([watcher], 2)
  assert.deepEqual((await who()).split(' ').sort(), ['.', 'ann', 'bob'])
  close(ann)
  await sleep(250 * patience)
  assert.equal(watcher.events.length, 2, 'one tab of two is no leave')
  close(tab)
  await until(async () => (await who()).includes('(away)'), 'ann to be away')
  const back = await listen(server, '/topics/room.1?who=ann')
  await sleep(250 * patience)
  assert.equal(watcher.events.length, 2, 'a reload is no leave')
  close(back, bob)
  await settle([watcher], 4)
  assert.deepEqual(data(watcher).slice(0, 2), ['joined ann', 'joined bob'])
  assert.deepEqual(data(watcher).slice(2).sort(), ['left ann', 'left bob'])
  assert.equal(await who(), '.')
  const again = await resume(server, 'room.1', 'x')
  await sleep(100)
  assert.deepEqual(again.events.map(event => event.event), ['gap'], 'presence is not history')
  close(watcher, again)
})

test('except: everyone but the one who spoke', async () => {
  const [a, b] = await Promise.all([1, 2].map(() => listen(server, '/topics/plain?hello=plain')))
  await until(() => a.events.length && b.events.length, 'the ids')
  const own = (await Promise.resolve(a.events.filter(event => event.event === 'hello')))[0].data
  await say(server, 'plain', 'x', `?except=${own}`)
  await say(server, 'plain', 'y')
  await until(() => a.last.data === 'y' && b.last.data === 'y', 'the last event')
  assert(!(data(a).includes('x') && data(b).includes('x')) &&
    (data(a).includes('x') || data(b).includes('x')))
  close(a, b)
})

// O1
test('patterns match anywhere, once; an exact name is exact', async () => {
  const any = await listen(server, '/topics/p.1?pattern=p.*')
  const inner = await listen(server, '/topics/,?pattern=p.*.end')
  const star = await listen(server, '/topics/p.*')
  for (const topic of ['p.1', 'p.2', 'q.1', 'p.x.end', 'p.', 'p']) await say(server, topic, topic)
  await settle([any], 4)
  await settle([inner], 1)
  await sleep(50)
  assert.deepEqual(data(any), ['p.1', 'p.2', 'p.x.end', 'p.'])
  assert.deepEqual(data(inner), ['p.x.end'])
  assert.deepEqual(data(star), [])
  close(any, inner, star)
})

test('max_topics bounds what is kept: the history not used for longest goes', async () => {
  const small = await Server.start('asan/topics', { env: { MAX_TOPICS: '20' } })
  const stream = await listen(small, '/topics/kept.held')
  await say(small, 'kept.held', 'a')
  await say(small, 'kept.first', 'b')
  await settle([stream], 1)
  for (let i = 0; i < 100; i++) await say(small, `kept.${i}`, 'x')
  assert((await small.stats()).topics <= 20)
  assert.equal((await request(small, 'GET', '/history/kept.99')).body.split('\n').length, 2)
  assert.match((await request(small, 'GET', '/history/kept.held')).body, /"a"/)
  const again = await resume(small, 'kept.first', stream.last.id) // what it missed may be gone
  await settle([again], 1)
  assert.equal(again.last.data, gap('expired'))
  const streams =
    await Promise.all(Array.from({ length: 30 }, (_, i) => listen(small, `/topics/plain.${i}`)))
  assert.equal((await small.stats()).topics, 20, 'topics with subscribers do not go')
  close(stream, again, ...streams)
  await small.stops()
})

// O3
test('a replay larger than the queue flows as it is read', async () => {
  const body = 'x'.repeat(10000)
  await say(server, 'large.1', body, '?count=1500') // 15 MB
  const stream = await resume(server, 'large.1', 'x', '?queue=65536')
  for (let i = 0; i < 50; i++) await say(server, 'large.1', `live ${i}`)
  await settle([stream], 1551)
  assert.deepEqual(data(stream).slice(1, 1501).map(text => Number(text.split(' ')[0])),
    Array.from({ length: 1500 }, (_, i) => i))
  assert.deepEqual(data(stream).slice(1501), Array.from({ length: 50 }, (_, i) => `live ${i}`))
  close(stream)
})

test('slow readers: oldest dropped, newest per key kept, or closed', async () => {
  const drop = await server.socket({ read: false })
  const newest = await server.socket({ read: false })
  const slow = await server.socket({ read: false })
  const { closed } = await server.stats()
  for (const [socket, topic] of [[drop, 'drop'], [newest, 'newest'], [slow, 'slow']]) {
    socket.pause()
    socket.write(`GET /topics/${topic}?queue=65536 HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  }
  await until(async () => (await server.stats()).streams >= 3, 'three streams')
  const body = 'x'.repeat(10000)
  for (let i = 0; i < 10; i++) {
    await say(server, 'drop', `${i} ${body}`, '?count=100')
    await say(server, 'newest', `${i}`, '?key=a&count=500')
    await say(server, 'newest', `${i} ${body}`, '?key=b&count=100')
    await say(server, 'slow', `${i} ${body}`, '?count=100')
  }
  await say(server, 'drop', 'the end')
  await say(server, 'newest', 'the end', '?key=c')
  const stats = await server.stats()
  assert.equal(stats.closed[4], closed[4] + 1, 'the one without a policy is closed for its queue')
  assert(stats.drops > 100)
  for (const socket of [drop, newest]) {
    socket.setEncoding('latin1').on('data', text => { socket.got += text })
    socket.resume()
    await until(() => socket.got.includes('the end'), 'the end')
    socket.destroy()
  }
  assert.equal(newest.got.match(/data: 499 9\n/g).length, 1)
  slow.destroy()
})

for (const encoding of ['br', 'gzip']) {
  test_of('SSE_NO_COMPRESSION', `what is dropped leaves a ${encoding} stream readable`,
      async () => {
    const ask = { headers: { 'Accept-Encoding': encoding } }
    const streams = await Promise.all([1, 2, 3].map(() =>
      listen(server, `/topics/drop,newest,kept.${encoding}?queue=60000&pattern=*`, ask)))
    const noise = () => Array.from({ length: 50 }, () => Math.random().toString(36)).join('')
    const { drops } = await server.stats()
    for (let i = 0; i < 10; i++) {
      await say(server, 'plain', `plain ${i} ${noise()}`)
      await say(server, 'drop', noise(), '?count=300')
      await say(server, `kept.${encoding}`, `kept ${i} ${noise()}`)
      await say(server, 'newest', noise(), '?count=50&key=a')
    }
    await say(server, 'drop', 'the end')
    await until(() => streams.every(stream => stream.last?.data === 'the end'),
      () => `the end (${streams.map(stream => stream.error)})`)
    assert((await server.stats()).drops > drops)
    const numbers = (stream, word) =>
      data(stream).filter(text => text.startsWith(word)).map(text => Number(text.split(' ')[1]))
    for (const stream of streams) {
      assert.equal(stream.headers['content-encoding'], encoding)
      assert.deepEqual(numbers(stream, 'kept'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      assert.deepEqual(numbers(stream, 'plain'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
    const first = streams[0].events.find(event => event.data.startsWith('kept 0'))
    const again = await listen(server, `/topics/kept.${encoding}`,
      { headers: { ...ask.headers, 'Last-Event-ID': first.id } })
    await settle([again], 9)
    assert.deepEqual(numbers(again, 'kept'), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    close(...streams, again)
  })
}

for (const encoding of ['br', 'gzip', 'identity']) {
  test_of(encoding === 'identity' ? null : 'SSE_NO_COMPRESSION',
      `own_history and a replay: all of it decodes (${encoding})`, async () => {
    const ask = { headers: { 'Accept-Encoding': encoding } }, topic = `kept.own.${encoding}`
    const page = i => `<p>${'the same words again and again '.repeat(20)}${i}</p>`
    const first = await listen(server, `/topics/${topic}`)
    for (let i = 0; i < 40; i++) await say(server, topic, page(i))
    await settle([first], 40)
    // A queue that holds only some of what is replayed, so that it comes in several refills; then
    // live, shared; then for one alone.
    const back = own => listen(server, `/topics/${topic}?queue=2000&hello=plain${own}`,
      { headers: { ...ask.headers, 'Last-Event-ID': first.events[9].id } })
    const names = await listen(server, '/topics/plain')
    const own = await back('&own'), plain = await back('')
    await settle([own, plain], 30)
    await settle([names], 2)
    for (let i = 40; i < 50; i++) await say(server, topic, page(i))
    for (const { data: id } of names.events)
      for (let i = 50; i < 55; i++)
        assert.equal((await request(server, 'POST', `/to/${id}`, { body: page(i) })).status, 204)
    await say(server, topic, page(55))
    await settle([own, plain], 46)
    for (const stream of [own, plain]) {
      assert.equal(stream.error, undefined)
      assert.deepEqual(data(stream), Array.from({ length: 46 }, (_, i) => page(i + 10)))
    }
    if (encoding !== 'identity')
      assert(own.bytes < plain.bytes * 0.7,
        `${own.bytes} bytes with a history of its own, ${plain.bytes} without`)
    close(first, names, own, plain)
  })
}

const crowd_s = Number(process.env.CROWD_S ?? 3)
test(`100 of 1,000 stop reading for ${crowd_s} s of publishing at full speed: ` +
    `the others lose nothing, memory stays, the 100 resume`, async t => {
  const big = await Server.start('topics')
  const fast = []
  const counted = stream => { // a minute's events of 1,000 clients are too many to keep
    stream.events = { length: 0, wrong: 0,
      push({ data }) { this.wrong += !data.startsWith(`${this.length++ % 10} `) } }
    return stream
  }
  for (let i = 0; i < 9; i++)
    fast.push(...await Promise.all(Array.from({ length: 100 },
      () => listen(big, '/topics/large.crowd?queue=200000').then(counted))))
  const body = 'x'.repeat(500), large = 'y'.repeat(100000)
  let published = 0
  const publish = async () => { // as fast as the fast ones read
    await say(big, 'large.crowd', body, '?count=10')
    published += 10
    await until(() => fast.every(stream => stream.events.length >= published - 200),
      'the fast ones to keep up', 20000)
  }
  const for_seconds = async (seconds, each) => { // events a second
    const from = performance.now(), before = published
    while (performance.now() - from < seconds * 1000) await each()
    await settle(fast, published)
    return Math.round((published - before) / (performance.now() - from) * 1000)
  }
  const alone = await for_seconds(crowd_s / 3, publish)
  const slow = await Promise.all(Array.from({ length: 100 }, () => big.socket({ read: false })))
  // they alone get the large events, so that the kernel's buffers fill in time
  slow.forEach(socket => {
    socket.pause()
    socket.write(`GET /topics/large.crowd,large.extra?queue=200000 HTTP/1.1\r\n` +
      `Host: localhost\r\nLast-Event-ID: ${fast[0].last.id}\r\n\r\n`)
  })
  await until(async () => (await big.stats()).streams === 1000, '1,000 streams')
  const { closed } = await big.stats(), before = big.rss_kb(), seen = published
  let most = 0, rounds = 0
  const beside = await for_seconds(crowd_s, async () => {
    await publish()
    if (rounds++ < 60) await say(big, 'large.extra', large)
    most = Math.max(most, big.rss_kb() - before)
  })
  while (rounds++ < 60) await say(big, 'large.extra', large)
  for (const { events } of fast) assert.deepEqual([events.length, events.wrong], [published, 0])
  assert.equal((await big.stats()).closed[4] - closed[4], 100, 'the slow ones are closed')
  // kB: 60 large ones, and the others with what surrounds them
  const kept = Math.round(6500 + (published - seen) * 0.8)
  t.diagnostic(`${alone} events/s each before, ${beside} beside the slow ones; ` +
    `memory grew by ${most} kB, about ${kept} of it the histories`)
  assert(most < kept + 100 * 200, `memory grew by ${most} kB`)
  slow.forEach(socket => {
    socket.setEncoding('latin1').on('data', text => { socket.got += text })
    socket.resume()
  })
  await until(() => slow.every(socket => socket.closed),
    'the slow ones to read what they have', 40000)
  const all = published - seen + 60
  const again = await Promise.all(slow.map(socket => {
    const got = socket.got.match(/^id: \S+\ndata: .*\n\n/gm)
    socket.count = got.length
    return resume(big, 'large.crowd,large.extra', got.at(-1).slice(4).split('\n')[0]).then(counted)
  }))
  await until(() => again.every((stream, i) => stream.events.length + slow[i].count >= all),
    'the slow ones to have all', 40000)
  again.forEach((stream, i) => assert.equal(stream.events.length + slow[i].count, all))
  close(...fast, ...again)
  await big.stops()
}, crowd_s * 3000)

const kills = Number(process.env.KILLS ?? 20)
test_of('SSE_NO_SQLITE', `killed ${kills} times while publishing: ` +
    `every client ends with every event once`, async t => {
  const durable = await Server.start('asan/topics', { args: ['topics.db'] })
  const clients = Array.from({ length: 5 }, () => ({ got: [], posted: [], id: null, gaps: 0 }))
  const topics = 'db.ticks,db.posted', acknowledged = []
  let posted = 0
  const post = async () => { // until the server is killed; what was answered must not be lost
    for (;;) {
      const n = ++posted
      await say(durable, 'db.posted', `p${n}`)
      acknowledged.push(n)
    }
  }
  for (let round = 0; round <= kills; round++) {
    const streams = await Promise.all(clients.map(client =>
      client.id ? resume(durable, topics, client.id) : listen(durable, `/topics/${topics}`)))
    await request(durable, 'POST', '/ticking')
    const posting = round < kills && post().catch(() => {})
    const enough = round < kills ? 20 + Math.floor(Math.random() * 100) : 200
    await until(() => streams.every(stream => stream.events.length >= enough), 'ticks')
    if (round < kills) await durable.restart('SIGKILL')
    else close(...streams)
    await posting
    await until(() => streams.every(stream => stream.closed), 'the streams to break')
    streams.forEach((stream, i) => {
      clients[i].gaps += stream.events.filter(event => event.event === 'gap').length
      clients[i].got.push(...data(stream).filter(text => text[0] !== 'p').map(Number))
      clients[i].posted.push(...data(stream).filter(text => text[0] === 'p')
        .map(text => Number(text.slice(1))))
      clients[i].id = stream.last.id
    })
  }
  for (const client of clients) {
    assert.equal(client.gaps, 0)
    client.got.forEach((value, i) => assert.equal(value, client.got[0] + i))
  }
  const end = (await request(durable, 'GET', '/history/db.ticks?limit=1')).body
  assert(Number(JSON.parse(end.split('\n')[0]).data) >= clients[0].got.at(-1))
  // not beside the server: what SQLite shares between processes is in the byte order of a machine
  await durable.stops({ keep: true })
  const rows = execFileSync('sqlite3', [path.join(durable.dir, 'topics.db'),
    "SELECT CAST(event AS TEXT) FROM sse_events WHERE topic = 'db.posted' ORDER BY seq"])
  const kept = [...rows.toString().matchAll(/^data: p(\d+)$/gm)].map(match => Number(match[1]))
  assert.deepEqual(kept, [...new Set(kept)].sort((a, b) => a - b), 'each once, in order')
  assert.deepEqual(acknowledged.filter(n => !kept.includes(n)), [], 'what was answered is kept')
  for (const client of clients) assert.deepEqual(client.posted, kept, 'and reaches everybody')
  t.diagnostic(`${acknowledged.length} acknowledged, ${kept.length} kept`)
  assert.equal(execFileSync('sqlite3',
    [path.join(durable.dir, 'topics.db'), 'PRAGMA integrity_check']).toString(), 'ok\n')
})

test_of('SSE_NO_SQLITE', 'a database: limits, patterns and gaps across a restart', async () => {
  const durable = await Server.start('asan/topics', { args: ['topics.db'] })
  const first = await listen(durable, '/topics/db.few,db.other')
  await say(durable, 'db.other', 'mine', '?id=alias')
  await say(durable, 'db.few', '-1')
  await settle([first], 2)
  const id = first.last.id
  for (let i = 0; i < 25; i++) await say(durable, 'db.few', String(i))
  await say(durable, 'db.other', 'last')
  await durable.restart()
  assert.equal((await request(durable, 'GET', '/history/db.few')).body.split('\n').length, 21)
  const other = await resume(durable, 'db.other', id)
  const alias = await resume(durable, 'db.other', 'alias')
  const late = await resume(durable, 'db.few', id)
  const pattern = await resume(durable, ',', 'alias', '?pattern=db.o*')
  await settle([other, alias, pattern], 1)
  await settle([late], 21)
  assert.deepEqual([data(other), data(alias), data(pattern)], [['last'], ['last'], ['last']])
  assert.equal(late.events[0].data, gap('expired'))
  assert.equal(late.events[1].data, '5')
  const mixed = await resume(durable, 'db.other,kept.memory', id)
  await settle([mixed], 3)
  assert.deepEqual(data(mixed), [gap('unknown'), 'mine', 'last'],
    'memory cannot know what it missed')
  close(first, other, alias, late, pattern, mixed)
  const up_to_date = await resume(durable, 'db.other', other.last.id)
  assert.equal(up_to_date.parser.lastEventId, '', 'an id of this start stands')
  await durable.restart()
  const again = await resume(durable, 'db.other', other.last.id)
  await until(() => again.parser.lastEventId, 'one of an earlier start is replaced')
  assert.notEqual(again.parser.lastEventId.split('-')[0], other.last.id.split('-')[0])
  assert.deepEqual(again.events, [])
  close(up_to_date, again)
  await durable.stops()
})

test('text that is not UTF-8 is refused where that is asked for', async () => {
  const strict = await Server.start('asan/topics', { env: { UTF8: '1' } })
  const bad = Buffer.from([0x61, 0xff])
  assert.equal((await request(strict, 'POST', '/topics/a', { body: bad })).status, 400)
  assert.equal((await request(strict, 'POST', '/topics/a', { body: 'gr\u00fcn' })).status, 204)
  assert.equal((await request(server, 'POST', '/topics/a', { body: bad })).status, 204)
  await strict.stops()
})
