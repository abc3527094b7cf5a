#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The server for outside suites does what its routes promise.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import { elements, free_port, listen, request, Server, sleep, test, until } from './wire.mjs'

let server
const files = mkdtempSync(path.join(os.tmpdir(), 'sse-root-'))
before(async () => {
  mkdirSync(path.join(files, 'sub'))
  writeFileSync(path.join(files, 'a.txt'), 'text')
  writeFileSync(path.join(files, 'sub/b.html'), '<p>b')
  const port = await free_port()
  server = await Server.start('asan/outside', { args: [String(port), files, 'outside.db'], port })
})
after(async () => { await server?.stops(); rmSync(files, { recursive: true }) })
const text = async (method, target, options) => {
  const { status, body } = await request(server, method, target, options)
  return `${status} ${body}`
}
const messages = stream => stream.events.map(({ event, data }) => `${event}: ${data}`)

test('plain routes, any host, any origin', async () => {
  const foreign = { headers: { Host: 'example.com', Origin: 'https://elsewhere.example' } }
  assert.equal(await text('GET', '/', foreign), '200 ok')
  assert.equal(await text('POST', '/echo', { body: 'hello', ...foreign }), '200 hello')
  assert.equal(await text('GET', '/static/a.txt'), '200 text')
  assert.equal(await text('GET', '/a.txt'), '200 text')
  assert.equal(await text('GET', '/sub/b.html'), '200 <p>b')
  assert.equal((await request(server, 'GET', '/none.txt')).status, 404)
  assert(JSON.parse((await request(server, 'GET', '/stats')).body).requests > 0)
  const from = Date.now()
  assert.equal(await text('GET', '/slow?ms=200'), '200 slow')
  assert(Date.now() - from >= 190)
  const body = Buffer.alloc(300000, 'x')
  assert.equal(await text('POST', '/upload', { body }),
    `200 ${createHash('sha256').update(body).digest('hex')}`)
})

test('signed values', async () => {
  const { body } = await request(server, 'GET', '/sign?value=a+b')
  assert.match(body, /^YSBi\.[0-9a-f]+\.[\w-]{43}$/)
  assert.equal(await text('GET', `/unsign?value=${body}`), '200 a b')
  assert.equal((await request(server, 'GET', `/unsign?value=${body.replace('.', '.0')}`)).status,
    403)
})

test('topics, views, a table', async () => {
  const [topic, view, each, table] = await Promise.all(
    ['/topic/t?ping_ms=50', '/view/v', '/each/v', '/db'].map(target => listen(server, target)))
  await text('POST', '/topic/t?event=e&id=5', { body: 'one\ntwo' })
  await text('PUT', '/view/v', { body: '<p id="x">1</p>' })
  await text('POST', '/db?k=key&v=%3Cvalue%3E')
  await until(() => topic.last && elements(view.last)?.includes('1') &&
    elements(each.last)?.includes('1') && elements(table.last)?.includes('key'), 'all four')
  assert.deepEqual([topic.last.event, topic.last.data, topic.last.id], ['e', 'one\ntwo', '5'])
  assert.equal(elements(table.last),
    '<table id="kv"><tr><td>key</td><td>&lt;value&gt;</td></tr></table>')
  assert.equal((await request(server, 'POST', '/topic/t?event=a%0Ab', { body: '' })).status, 400)
  ;[topic, view, each, table].forEach(stream => stream.close())
})

test('ticks, by the clock and as fast as all can read', async () => {
  const timed = await Promise.all([1, 2].map(() => listen(server, '/tick?ms=20&bytes=200')))
  await until(() => timed.every(stream => stream.events.length >= 5), 'five ticks')
  assert.match(timed[0].last.data, /^t=\d+ /)
  assert.equal(timed[0].last.data.length, 200)
  const fast = await Promise.all([1, 2].map(() => listen(server, '/tick?ms=0&bytes=1000')))
  await until(() => fast.every(stream => stream.events.length >= 50), 'fifty events')
  fast[0].close()
  const { length } = fast[1].events
  await until(() => fast[1].events.length >= length + 20, 'the other to go on')
  ;[...timed, ...fast].forEach(stream => stream.close())
})

test('the SDK endpoint', async () => {
  const events = [
    { type: 'patchElements', elements: '<p>\n</p>', selector: '#s', mode: 'append',
      useViewTransition: true, eventId: 'e1', retryDuration: 2000 },
    { type: 'patchSignals', signals: { a: 1 }, onlyIfMissing: true, retryDuration: 1000 },
    { type: 'patchSignals', 'signals-raw': '{"b":\n2}' },
    { type: 'executeScript', script: 'f()', attributes: { type: 'module', 'x-y': 'a,"b' },
      autoRemove: false },
    { type: 'executeScript', script: 'g()' },
  ]
  const expected = 'event: datastar-patch-elements\nid: e1\nretry: 2000\ndata: selector #s\n' +
    'data: mode append\ndata: useViewTransition true\ndata: elements <p>\ndata: elements </p>\n\n' +
    'event: datastar-patch-signals\ndata: onlyIfMissing true\ndata: signals {"a":1}\n\n' +
      'event: datastar-patch-signals\ndata: signals {"b":\ndata: signals 2}\n\n' +
    'event: datastar-patch-elements\ndata: mode append\ndata: selector body\n' +
      'data: elements <script type="module" x-y="a,&quot;b">f()</script>\n\n' +
    'event: datastar-patch-elements\ndata: mode append\ndata: selector body\n' +
      'data: elements <script data-effect="el.remove()">g()</script>\n\n'
  const json = JSON.stringify({ events })
  const posted = await request(server, 'POST', '/test',
    { body: json, headers: { 'Content-Type': 'application/json' } })
  assert.equal(posted.headers['content-type'], 'text/event-stream')
  assert.equal(posted.body, expected)
  assert.equal((await request(server, 'GET', `/test?datastar=${encodeURIComponent(json)}`)).body,
    expected)
  assert.equal((await request(server, 'POST', '/test',
    { body: '{"events":[', headers: { 'Content-Type': 'application/json' } })).status, 400)
})

test('what EventSource is tested with', async () => {
  const at = (target, headers) =>
    request(server, 'GET', `/eventsource/resources/${target}`, { headers })
  assert.equal((await at('message.py?message=data%3A%00a&newline=none')).body, 'data:\0a\n')
  assert.equal((await at('message.py?mime=text%2Fplain')).headers['content-type'], 'text/plain')
  assert.equal((await at('message.py?sleep=50')).body, 'data: data\n\n\n')
  const two = await listen(server, '/eventsource/resources/message2.py')
  await until(() => two.events.length >= 3, 'three messages')
  assert.deepEqual(messages(two), ['message: msg\nmsg', 'message: ', 'message: end'])
  two.close()
  assert.equal((await at('last-event-id.py', { 'Last-Event-ID': '7' })).body, 'data: 7\n\n')
  assert.match((await at('last-event-id.py')).body, /^id: \u2026\nretry: 200\n/)
  assert.match((await at('last-event-id.py?idvalue=x%00y')).body, /^id: x\0y\n/)
  const ids = await Promise.all([1, 2, 3, 4].map(async type =>
    (await at(`last-event-id2.py?type=${type}`)).body.match(/^id.*|data.*/gm).join()))
  assert.deepEqual(ids, ['id: 1,data: 1,data: 2,id: 2,data:3,data:4',
    'id: 1,data: 1,id:,data:2,data:3', 'id: 1,data: 1,id,data:2,data:3', 'data: invalid_test'])
  assert.equal((await at('status-error.py?status=503')).status, 503)
  const reset = await at('status-error.py?status=205')
  assert.deepEqual([reset.status, reset.headers['content-length'], reset.body], [205, '0', ''])
  const again = await at('status-reconnect.py?status=500')
  assert.deepEqual([again.status, again.headers['set-cookie'][0].split(';')[0]],
    [500, 'request500=500'])
  assert.equal((await at('status-reconnect.py?status=500', { Cookie: 'request500=500' })).body,
    'data: data\n\n')
  assert.equal((await at('reconnect-fail.py?id=1', { Cookie: 'recon_fail_1=reconnected' })).status,
    204)
  assert.equal((await at('accept.event_stream', { Accept: 'text/event-stream' })).body,
    'data: text/event-stream\n\n')
  assert.equal((await at('cache-control.event_stream', { 'Cache-Control': 'no-cache' })).body,
    'data: no-cache\n\n')
  const moved = await at('redirect.py?location=/x&status=307')
  assert.deepEqual([moved.status, moved.headers.location], [307, '/x'])
  const moved_too = await request(server, 'GET', '/common/redirect.py?location=/y&enable-cors',
    { headers: { Origin: 'http://a.example' } })
  assert.deepEqual([moved_too.status, moved_too.headers.location,
    moved_too.headers['access-control-allow-origin']], [302, '/y', 'http://a.example'])
  const allowed = ({ headers }) =>
    [headers['access-control-allow-origin'], headers['access-control-allow-credentials']]
  const cors = await at('cors.py?run=message&origin=none', { Origin: 'http://a.example' })
  assert.deepEqual([...allowed(cors), cors.body], ['none', 'true', 'data: data\n\n\n'])
  assert.deepEqual(allowed(await at('cors-cookie.py?origin=none&credentials=none',
    { Origin: 'http://a.example' })), [undefined, undefined])
  const cookie = await at('cors-cookie.py?ident=i',
    { Origin: 'http://a.example', Cookie: 'i=COOKIE', 'Last-Event-ID': '1' })
  assert.deepEqual([cookie.headers['access-control-allow-origin'], cookie.body],
    ['http://a.example', 'id: 2\ndata: second COOKIE\n\n'])
})
