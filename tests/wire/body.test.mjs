#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Bodies: as they come, in parts, forms, unread ones, 100 (Continue).
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before } from 'node:test'
import { get, put, split_replies, talk } from './raw.mjs'
import { request, Server, sleep, test, until } from './wire.mjs'

const start = (...args) => Server.start('asan/http', { args })
let server, hasty
before(async () => {
  [server, hasty] =
    await Promise.all([start(), start('body_timeout_ms=400', 'max_body_bytes=5000')])
})
after(() => Promise.all([server?.stops(), hasty?.stops()]))
const bodies = result => result.replies.map(({ status, body }) => `${status} ${body}`)
const sha = data => createHash('sha256').update(data).digest('hex')
const chunked = (target, ...bodies) =>
  `POST ${target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n` +
  bodies.map(body => `${body.length.toString(16)}\r\n${body}\r\n`).join('') + '0\r\n\r\n'

test('an upload, whole and in every two pieces, then another request', async () => {
  const whole = put('POST', '/upload', 'hello') + get('/')
  const expected = [`200 5 ${sha('hello')}`, '200 ok']
  assert.deepEqual(bodies(await talk(server, whole, { count: 2 })), expected)
  await Promise.all(Array.from({ length: whole.length - 1 }, async (_, i) =>
    assert.deepEqual(bodies(await talk(server, [whole.slice(0, i + 1), whole.slice(i + 1)],
      { count: 2, gap_ms: 3 })), expected, `cut at ${i + 1}`)))
})

test('chunked uploads, byte by byte and in a pipeline', async () => {
  const whole = chunked('/upload', 'hel', 'lo') + chunked('/upload', 'x') + get('/')
  const expected = [`200 5 ${sha('hello')}`, `200 1 ${sha('x')}`, '200 ok']
  assert.deepEqual(bodies(await talk(server, whole, { count: 3 })), expected)
  assert.deepEqual(bodies(await talk(server, whole.split(''), { count: 3 })), expected)
})

test('an upload of no bytes', async () => {
  assert.deepEqual(bodies(
    await talk(server, put('POST', '/upload', '') + chunked('/upload') + get('/'), { count: 3 })),
    [`200 0 ${sha('')}`, `200 0 ${sha('')}`, '200 ok'])
})

// 40 MB to a plain build would be quick; under the sanitizers it still is a few seconds.
async function upload(target, megabytes, watch = () => {}) {
  const socket = await server.socket()
  const piece = Buffer.alloc(1 << 20, 'abcdefghijklmnop')
  const hash = createHash('sha256')
  socket.write(
    `POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${megabytes << 20}\r\n\r\n`)
  for (let i = 0; i < megabytes && !socket.destroyed; i++) {
    hash.update(piece)
    if (!socket.write(piece))
      await until(() => socket.writableLength < 1 << 20 || socket.closed, 'the peer to read')
    watch()
  }
  await until(() => split_replies(socket.got).replies.length || socket.closed, 'the reply')
  const [reply] = split_replies(socket.got).replies
  socket.destroy()
  return { reply, sha: hash.digest('hex') }
}

test('40 MB stream through and leave nothing behind', async t => {
  await upload('/upload', 4)
  const before = server.rss_kb()
  let most = 0
  const { reply, sha } =
    await upload('/upload', 40, () => { most = Math.max(most, server.rss_kb()) })
  assert.equal(reply.body, `${40 << 20} ${sha}`)
  t.diagnostic(`resident: ${before} kB before, ${most} kB at most`)
  assert(most - before < 3000, `${most - before} kB more`)
})

test('pauses hold the peer back', async () => {
  const { reply, sha } = await upload('/upload?pause=1', 2)
  assert.equal(reply.body, `${2 << 20} ${sha}`)
})

test('while it is paused the clock stands still', async () => {
  const result = await talk(hasty, put('POST', '/upload?pause=1', 'abc'), {})
  assert.deepEqual(bodies(result), [`200 3 ${sha('abc')}`])
})

test('a program that has enough', async () => {
  const { reply } = await upload('/upload?enough=100000', 8)
  assert.equal(reply.status, 507)
  assert.equal(reply.headers.connection, 'close')
  const short =
    await talk(server, put('POST', '/upload?enough=2', 'abcdef') + get('/'), { count: 2 })
  assert.deepEqual(bodies(short), ['507 enough\n', '200 ok'])
})

test('a peer that leaves, is too slow or sends too much', async () => {
  const ended = () => hasty.stdout.split('upload ended: SSE_E_CLOSED').length - 1
  const socket = await hasty.socket()
  socket.write('POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc')
  await sleep(50)
  socket.destroy()
  await until(() => ended() === 1, 'the last call')
  const slow =
    await talk(hasty, 'POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc')
  assert.deepEqual([slow.replies[0].status, slow.closed, ended()], [408, true, 2])
  const much = await talk(hasty,
    ['POST /upload/small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1F4\r\n' +
    'x'.repeat(500) + '\r\n', '1F5\r\n' + 'x'.repeat(501) + '\r\n0\r\n\r\n'], { gap_ms: 50 })
  assert.deepEqual([much.replies[0].status, much.closed, ended()], [413, true, 3])
  assert.equal(
    (await talk(hasty, put('POST', '/upload/small', 'x'.repeat(1001)))).replies[0].status, 413)
  assert.deepEqual(bodies(await talk(hasty, put('POST', '/upload/small', 'x'.repeat(1000)))),
    [`200 1000 ${sha('x'.repeat(1000))}`])
})

test('asked for twice, or where it is not to be had', async () => {
  assert.match(bodies(await talk(server, put('POST', '/upload?twice=1', 'a')))[0], /^200 -3 1 /)
  assert.deepEqual(bodies(await talk(server, put('POST', '/not-later', 'a'))), ['200 -3'])
})

test('a body nobody reads: a short one is dropped, a long one ends the connection', async () => {
  const expected = ['403 no uploads today\n', '200 ok']
  for (const body of ['x', 'x'.repeat(60000)]) {
    assert.deepEqual(bodies(
      await talk(server, put('POST', '/upload?no=1', body) + get('/'), { count: 2 })), expected)
    assert.deepEqual(
      bodies(await talk(server, chunked('/upload?no=1', body) + get('/'), { count: 2 })), expected)
    const text = put('POST', '/upload?no=1', body) + get('/')
    assert.deepEqual(bodies(await talk(server, [text.slice(0, 90), text.slice(90, 200),
      text.slice(200)], { count: 2, gap_ms: 20 })), expected)
  }
  const long =
    await talk(server, put('POST', '/upload?no=1', 'x'.repeat(100000)) + get('/'), { count: 2 })
  assert.deepEqual([bodies(long), long.replies[0].headers.connection, long.closed],
    [['403 no uploads today\n'], 'close', true])
})

test('100 (Continue) only where the body is wanted', async () => {
  const head = (target, n) =>
    `POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${n}\r\n` +
    `Expect: 100-continue\r\n\r\n`
  const first = async (target, n = 5) => {
    const socket = await server.socket()
    socket.write(head(target, n))
    await until(() => socket.got.includes('\r\n\r\n'), 'an answer')
    const { status } = split_replies(socket.got).replies[0] ?? {}
    if (status === 100) {
      socket.write('hello')
      await until(() => split_replies(socket.got).replies.length === 2, 'the final answer')
    }
    await sleep(20)
    const { replies } = split_replies(socket.got)
    const closed = socket.readableEnded || socket.closed
    socket.destroy()
    return [...replies.map(reply => reply.status), ...(closed ? ['closed'] : [])]
  }
  assert.deepEqual(await first('/echo'), [100, 200])
  assert.deepEqual(await first('/upload'), [100, 200])
  assert.deepEqual(await first('/upload?no=1'), [403, 'closed'])
  assert.deepEqual(await first('/echo', 2000000), [413, 'closed'])
  assert.deepEqual(await first('/stats'), [405, 'closed'])
})

const multipart = (...parts) =>
  parts.map(([headers, body]) => `--B\r\n${headers}\r\n\r\n${body}\r\n`).join('') + '--B--\r\n'
const field = (name, body) => [`Content-Disposition: form-data; name="${name}"`, body]
const file = (name, filename, body) =>
  [`Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\n` +
  `Content-Type: image/png`, body]
const post = (target, body, boundary = 'B') =>
  request(server, 'POST', target, { body: Buffer.from(body, 'latin1'),
  headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` } })

test('parts of an upload', async () => {
  const body = multipart(field('a', 'one'), file('f', 'x.png', '\r\n--\0'.repeat(50000)),
    file('e', 'empty', ''), field('a', 'two'))
  const { status, body: answer } = await post('/parts', body)
  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(`${answer}]`), [['a', null, null, 3],
    ['f', 'x.png', 'image/png', 250000], ['e', 'empty', 'image/png', 0], ['a', null, null, 3], 0])
})

test('parts that are not well-formed', async () => {
  for (const body of ['', 'nothing', multipart(field('a', 'b')).slice(0, -4),
    '--B\r\nno colon\r\n\r\n', '--B\r\n\r\n\r\n--B--\r\n'])
    assert.equal((await post('/parts', body)).status, 400, JSON.stringify(body))
  assert.equal((await post('/parts', '--B\r\nX: ' + 'x'.repeat(5000))).status, 431)
  assert.equal((await request(server, 'POST', '/parts',
    { body: 'a=b', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })).status, 415)
  assert.equal((server.stdout.match(/parts ended: SSE_E_SYNTAX/g) ?? []).length, 6)
})

test('a file and what is typed beside it, as fetch sends a form', async () => {
  const photo = new File(['x'.repeat(300000)], 'Käse.png', { type: 'image/png' })
  const send = async (...fields) => {
    const body = new FormData()
    for (const [name, value] of fields) body.append(name, value)
    const reply = await fetch(`http://localhost:${server.port}/keep`, { method: 'POST', body })
    return reply.ok ? reply.json() : reply.status
  }
  const dish = ['dish', 'Käse & "Brot"\r\n'], note = ['nöte', '']
  const file = ['Käse.png', 'image/png', 300000]
  assert.deepEqual(await send(dish, ['photo', photo], note), [...file, ...dish, ...note])
  assert.deepEqual(await send(['photo', photo], dish, dish), [...file, ...dish, ...dish])
  assert.deepEqual(await send(dish, ['photo', new File([], '')]), 400)
  assert.deepEqual(await send(['photo', photo], ['dish', 'x'.repeat(1 << 20)]), 413)
})

test('forms, urlencoded and multipart', async () => {
  const show = async (body, type) => {
    const { status, body: text } =
      await request(server, 'POST', '/show', { body, headers: { 'Content-Type': type } })
    return status === 200 ? JSON.parse(text).form : status
  }
  const url = 'application/x-www-form-urlencoded', multi = 'multipart/form-data; boundary=B'
  assert.equal(await show('x=1&f=a+b%21&f=second', url), 'a b!')
  assert.equal(await show('f', url), '')
  assert.equal(await show('x=1', url), null)
  assert.equal(await show('f=%zz', url), 400)
  assert.equal(await show('f=%00', url), 400)
  assert.equal(await show('f=1', 'text/plain'), null)
  assert.equal(await show(multipart(file('f', 'no.txt', 'file'), field('f', 'text & more'),
    field('f', 'second')), multi), 'text & more')
  assert.equal(await show(multipart(field('f', '')), multi), '')
  assert.equal(await show(multipart(field('f', 'a\0b')), multi), 400)
  assert.equal(await show('--B\r\nbroken', multi), 400)
  assert.equal(await show('x', 'multipart/form-data'), 400)
})
