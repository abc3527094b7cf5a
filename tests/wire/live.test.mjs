#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Live views: who shares one, what they are sent, and when they are rendered.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { elements, listen, request, Server, sleep, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/live') })
after(() => server?.stops())

const q = encodeURIComponent
const set = async (name, value, touch) => {
  const reply = await request(server, 'POST',
    `/set?name=${q(name)}&value=${q(value)}${touch ? `&touch=${q(touch)}` : ''}`)
  assert.equal(reply.status, 204)
}
const stats = () => server.stats()
const shows = stream => elements(stream.last)
const settle = () => sleep(120)

test('one view per path and listed query parameters, in any order of them', async () => {
  const before = await stats()
  const paths = ['/room/a', '/room/a?unlisted=1', '/room/a?page=2&other=3',
    '/room/a?other=3&page=2', '/room/b', '/room/%61']
  const streams = await Promise.all(paths.map(path => listen(server, path)))
  await until(() => streams.every(s => s.last), 'all show something')
  assert.deepEqual(streams.map(shows), [
    '<p id="room">a page - other -: </p>', '<p id="room">a page - other -: </p>',
    '<p id="room">a page 2 other 3: </p>',
    '<p id="room">a page 2 other 3: </p>', '<p id="room">b page - other -: </p>',
    '<p id="room">a page - other -: </p>'])
  const now = await stats()
  assert.equal(now.views, 3)
  assert.equal(now.renders - before.renders, 3)
  streams.forEach(s => s.close())
  await until(async () => (await stats()).views === 0, 'views go with their last watcher')
})

test('who joins gets the present state without a render', async () => {
  const first = await listen(server, '/room/join')
  await until(() => first.last, 'the state')
  const { renders } = await stats()
  const streams = await Promise.all(Array.from({ length: 20 }, () => listen(server, '/room/join')))
  await until(() => streams.every(s => s.last), 'all have it')
  assert.equal((await stats()).renders, renders)
  for (const s of [first, ...streams]) s.close()
})

test('touching a path renders its view, touching a route all of its views, once a turn',
    async () => {
  const [a, b] = await Promise.all([listen(server, '/room/x'), listen(server, '/room/y')])
  await until(() => a.last && b.last, 'both')
  const before = (await stats()).renders
  await set('x', 'one', '/room/x')
  await until(() => shows(a)?.includes('one'), 'x follows')
  assert.equal((await stats()).renders, before + 1)
  await set('x', 'two')
  await set('y', 'three', '/room/{id}')
  await until(() => shows(a)?.includes('two') && shows(b)?.includes('three'), 'both follow')
  assert.equal((await stats()).renders, before + 3)
  await set('x', 'two', '/room/z')
  await settle()
  assert.equal((await stats()).renders, before + 3, 'what nobody watches is not rendered')
  for (const none of ['nopath', '/nowhere', '/room'])
    assert.equal((await request(server, 'POST', `/set?name=x&value=y&touch=${none}`)).status, 400)
  a.close(); b.close()
})

test('what comes out the same is not sent', async () => {
  const s = await listen(server, '/room/same')
  await until(() => s.last, 'the state')
  const { renders } = await stats()
  await set('same', '', '/room/same')
  await until(async () => (await stats()).renders === renders + 1, 'a render')
  await settle()
  assert.equal(s.events.length, 1)
  s.close()
})

// V3
test('a render that fails leaves the last state, and is tried again', async () => {
  const s = await listen(server, '/room/bad')
  await until(() => s.last, 'the state')
  await request(server, 'POST', '/fail?on=1')
  await set('bad', 'new', '/room/bad')
  await until(async () => (await stats()).failed > 0, 'a failure')
  await settle()
  assert.equal(s.events.length, 1)
  const late = await listen(server, '/room/bad')
  await until(() => late.last, 'who joins meanwhile gets the last state')
  assert.equal(shows(late), '<p id="room">bad page - other -: </p>')
  const never = await listen(server, '/room/never')
  await until(() => never.closed, 'a first render that fails ends the stream')
  assert.equal(never.parser.retry, 2000)
  assert(!never.complete, 'as a broken connection does')
  await request(server, 'POST', '/fail?on=0')
  await until(() => shows(s)?.includes('new') && shows(late)?.includes('new'), 'the next try')
  s.close(); late.close()
})

test('plain events, signals, a place of its own', async () => {
  await set('plain', 'a\nb')
  await set('signals', 'say "hi"')
  const [plain, signals, into] =
    await Promise.all(['/plain', '/signals', '/into'].map(path => listen(server, path)))
  await until(() => plain.last && signals.last && into.last, 'all three')
  assert.deepEqual({ event: plain.last.event, data: plain.last.data },
    { event: 'state', data: 'a\nb' })
  assert.deepEqual({ event: signals.last.event, data: signals.last.data },
    { event: 'datastar-patch-signals', data: 'signals {"text":"say \\"hi\\""}' })
  assert.match(into.last.data, /^selector #here\nmode inner\nelements </)
  await set('plain', '', '/plain')
  await until(() => plain.events.length === 2, 'empty output is a state')
  assert.equal(plain.last.data, '')
  for (const s of [plain, signals, into]) s.close()
})

test('signals that are no JSON object: the last good ones stay on screen, and the log says why',
    async () => {
  await set('signals', 'good')
  const s = await listen(server, '/signals')
  await until(() => s.last, 'signals')
  for (const [raw, why] of [['{"text":', 'the JSON is not well-formed at byte 8'],
    ['[1]', 'the JSON is no object'],
    ['{"a":' + '['.repeat(70), 'the JSON is deeper than 64 levels at byte 68'],
    ['', 'the JSON is not well-formed at byte 0']]) {
    await set('signals', `raw ${raw}`, '/signals')
    await until(() => server.stderr.includes(`live view /signals was not rendered: ${why}`), why)
  }
  const late = await listen(server, '/signals')
  await until(() => late.last, 'the good ones')
  assert.equal(late.last.data, 'signals {"text":"good"}')
  assert.equal(s.events.length, 1)
  await set('signals', 'better', '/signals')
  await until(() => s.last.data === 'signals {"text":"better"}', 'the next good ones')
  s.close(); late.close()
})

test('min_interval_ms spaces renders, and the last change is not lost', async () => {
  await set('plain', 'start')
  const s = await listen(server, '/slow')
  await until(() => s.last, 'the state')
  const { renders } = await stats()
  const from = Date.now()
  for (let i = 0; i <= 20; i++) await set('plain', `v${i}`, '/slow')
  await until(() => s.last.data === 'v20', 'the last one')
  const rounds = Math.ceil((Date.now() - from) / 300) + 1
  assert.ok((await stats()).renders - renders <= rounds, 'no more renders than intervals')
  s.close()
})

test('every_ms renders while somebody watches', async () => {
  const s = await listen(server, '/clock')
  await until(() => s.events.length >= 4, 'ticks')
  s.close()
  await until(async () => (await stats()).views === 0, 'nobody watches')
  const { renders } = await stats()
  await sleep(350)
  assert.equal((await stats()).renders, renders)
})

test('sse_live_each: a guard, attrs, params, query and headers of who asks', async () => {
  assert.equal((await request(server, 'GET', '/who/7')).status, 401)
  const ask = (user, test) =>
    listen(server, `/who/7?q=a%20b`, { headers: { cookie: `user=${user}`, 'x-test': test } })
  const [ann, bob] = await Promise.all([ask('ann', 'one'), ask('bob', 'two')])
  await until(() => ann.last && bob.last, 'both')
  assert.deepEqual([ann, bob].map(shows),
    ['<p id="who">ann 7 a b one: </p>', '<p id="who">bob 7 a b two: </p>'])
  await set('who', 'changed', '/who/7')
  await until(() => shows(ann)?.includes('changed') && shows(bob)?.includes('changed'),
    'both follow')
  assert.equal(shows(bob), '<p id="who">bob 7 a b two: changed</p>')
  ann.close(); bob.close()
})

test('two views on one stream; a refused one and one that is none', async () => {
  await set('plain', 'p1')
  await set('a', '')
  const s = await listen(server, '/both')
  await until(() => s.events.length === 3, 'both states and the answers')
  assert.equal(s.events.find(e => e.event === 'answers').data, '0 0 -3 -2')
  await set('plain', 'p2', '/plain')
  await set('a', 'r2', '/room/a?page=1')
  await until(() => s.events.length === 5, 'both follow')
  assert.deepEqual(s.events.slice(3).map(e => e.data),
    ['p2', 'elements <p id="room">a page 1 other -: r2</p>'])
  s.close()
})

test('more views than max_views: come back later', async () => {
  const streams = []
  for (let i = 0; i < 50; i++) streams.push(await listen(server, `/room/n${i}`))
  await until(() => streams.every(s => s.last), 'fifty views')
  const one = await request(server, 'GET', '/room/toomany',
    { headers: { accept: 'text/event-stream' }, partial: true })
  assert.equal(one.status, 200)
  assert.equal(one.body, 'retry: 2000\n\n')
  assert(!one.complete)
  const again = await listen(server, '/room/n7')
  await until(() => again.last, 'a known one is still joined')
  for (const s of [...streams, again]) s.close()
})

for (const encoding of ['br', 'gzip', 'identity']) {
  test(`many states in a row: the last one arrives whole (${encoding})`, async () => {
    await set('plain', 'begin')
    const s = await listen(server, '/plain', { headers: { 'accept-encoding': encoding } })
    await until(() => s.last?.data === 'begin', 'the state')
    for (let i = 0; i < 200; i++)
      await set('plain',
        `${encoding} ${i} ${Math.random().toString(36).repeat(10)}`.slice(0, 150), '/plain')
    await set('plain', `${encoding} end`, '/plain')
    await until(() => s.last?.data === `${encoding} end`, 'the newest')
    s.close()
  })
}
