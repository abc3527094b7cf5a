#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Large replies and files are compressed while they leave: in bounded memory, in turns, and never
// silently incomplete.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import zlib from 'node:zlib'
import { get, split_reply } from './raw.mjs'
import { Server, request, test, until } from './wire.mjs'

const MB = 1 << 20, SIZE = 40 * MB
const dir = mkdtempSync(path.join(os.tmpdir(), 'sse-'))
const row = i => `<tr><td>${i}</td><td>${i * i % 9973}</td><td>of the large table</td></tr>\n`
const table = (bytes, parts = []) => {
  for (let i = 0, n = 0; n < bytes; n += parts[i++].length) parts.push(row(i))
  return Buffer.from(parts.join('').slice(0, bytes))
}
const noise =
  Buffer.from(Array.from({ length: 3 * MB }, (_, i) => Math.imul(i ^ i >>> 7, 2654435761) >>> 24))
const hash = bytes => createHash('sha256').update(bytes).digest('hex')
const large = table(SIZE), middle = large.subarray(0, 5 * MB), ROWS = 700000
let server
before(async () => {
  writeFileSync(path.join(dir, 'large.txt'), large)
  writeFileSync(path.join(dir, 'noise.txt'), noise)
  writeFileSync(path.join(dir, 'middle.txt'), middle)
  writeFileSync(path.join(dir, 'edge.txt'), large.subarray(0, MB + 1))
  // The sanitizer would hold freed memory back, and hide what the server holds.
  server = await Server.start('asan/compress', { args: [dir],
    env: { ASAN_OPTIONS: 'detect_leaks=1:quarantine_size_mb=1:malloc_context_size=2' } })
})
after(async () => { await server?.stops(); rmSync(dir, { recursive: true }) })

// The reply, its body decoded on the way and not kept:
// { status, headers, wire, length, hash, error }.
const fetch = (target, coding, { agent = false, headers = {}, slow } = {}) =>
    new Promise((done, failed) => {
  const all = coding ? { 'Accept-Encoding': coding, ...headers } : headers
  http.get({ host: '127.0.0.1', port: server.port, path: target, headers: all, agent }, res => {
    const sha = createHash('sha256')
    const reply = { status: res.statusCode, headers: res.headers, wire: 0, length: 0 }
    const decode =
      { br: zlib.createBrotliDecompress, gzip: zlib.createGunzip }[res.headers['content-encoding']]
    const end = error => {
      done({ ...reply, hash: error ? null : sha.digest('hex'), error })
      res.destroy()
    }
    const body = decode ? res.pipe(decode()) : res
    res.on('data', chunk => { reply.wire += chunk.length }).on('error', end)
    if (slow) { res.pause(); slow(() => res.resume()) }
    body.on('data', chunk => { reply.length += chunk.length; if (chunk.length) sha.update(chunk) })
      .on('end', () => end()).on('error', end)
  }).on('error', failed)
})

for (const coding of ['br', 'gzip'])
  test(`40 MB of a reply and of a file, ${coding}`, async () => {
    const before = server.rss_kb()
    const file = await fetch('/dir/large.txt', coding)
    assert.deepEqual([file.status, file.headers['content-encoding'],
      file.headers['transfer-encoding'], file.headers['content-length']],
      [200, coding, 'chunked', undefined])
    assert.deepEqual([file.error, file.length, file.hash], [undefined, SIZE, hash(large)])
    assert(file.wire < SIZE / 6, `${file.wire} bytes`)
    assert(server.rss_kb() - before < 12000, `${server.rss_kb() - before} KB for a file`)
    const whole = await fetch(`/rows?n=${ROWS}`), reply = await fetch(`/rows?n=${ROWS}`, coding)
    assert.deepEqual([reply.error, reply.length, reply.hash, reply.headers['content-encoding']],
      [undefined, whole.length, whole.hash, coding])
    assert(reply.length > 38 * MB)
  })

test('what HEAD, conditions, ranges and old clients get', async () => {
  for (const target of ['/dir/middle.txt', '/rows?n=5000']) {
    const head = await request(server, 'HEAD', target,
      { headers: { 'Accept-Encoding': 'gzip' }, agent: false })
    const whole = await fetch(target, 'gzip')
    const { date: a, ...said } = head.headers, { date: b, ...meant } = whole.headers
    assert.deepEqual(said, meant)
    assert.equal(said.vary, 'Accept-Encoding')
  }
  const tags = []
  for (const coding of ['br', 'gzip', undefined]) {
    const { headers: { etag } } = await request(server, 'HEAD', '/dir/large.txt',
      { headers: coding ? { 'Accept-Encoding': coding } : {} })
    assert.equal(
      (await fetch('/dir/large.txt', coding, { headers: { 'If-None-Match': etag } })).status, 304)
    tags.push(etag)
  }
  assert.equal(new Set(tags).size, 3)
  const gone = await fetch('/dir/large.txt', 'br', { headers: { 'If-Match': '"other"' } })
  assert.deepEqual([gone.status, gone.wire, gone.headers['transfer-encoding']], [412, 0, undefined])
  const part =
    await fetch('/dir/large.txt', 'br', { headers: { Range: 'bytes=20000000-20000099' } })
  assert.deepEqual([part.status, part.headers['content-encoding'], part.hash],
    [206, undefined, hash(large.subarray(20000000, 20000100))])
  const socket = await server.socket()
  socket.write('GET /rows?n=20000 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n')
  await until(() => socket.closed || socket.readableEnded, 'the end')
  const old = split_reply(socket.got)
  assert.deepEqual([old.headers['content-encoding'], Number(old.headers['content-length'])],
    [undefined, old.body.length])
  assert(old.body.endsWith('</tr>\n'))
})

test('around the sizes from which on bodies are compressed in pieces', async () => {
  const edge = large.subarray(0, MB + 1)
  for (const coding of ['br', 'gzip']) {
    for (const n of [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 384 * 1024]) {
      const plain = await fetch(`/text?n=${n}`), reply = await fetch(`/text?n=${n}`, coding)
      assert.deepEqual([reply.length, reply.hash], [n, plain.hash])
      assert.equal(reply.headers['transfer-encoding'], n > 256 * 1024 ? 'chunked' : undefined)
    }
    assert.equal((await fetch('/dir/edge.txt', coding)).hash, hash(edge))
    const reply = await fetch('/dir/noise.txt', coding)
    assert.deepEqual([reply.length, reply.hash], [3 * MB, hash(noise)])
    assert(reply.wire < 3.05 * MB, `${reply.wire} bytes`)
  }
  const bare = await fetch('/text?n=2000000&status=205', 'br')
  assert.deepEqual([bare.status, bare.wire, bare.headers['content-length'],
    bare.headers['transfer-encoding']], [205, 0, '0', undefined])
  assert.equal((await fetch('/text?n=2000000&coding=zstd', 'br')).headers['content-encoding'],
    'zstd')
  assert.equal((await fetch('/text?n=2000000&cache=no-transform', 'br')).wire, 2000000)
  assert.equal((await fetch('/text?n=2000000&etag="one"', 'br')).headers.etag, 'W/"one"')
})

test('the connection lives on, and requests behind it wait their turn', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const replies = await Promise.all(['/dir/edge.txt', '/rows?n=9000', '/text?n=10',
    '/dir/edge.txt'].map((target, i) => fetch(target, i % 2 ? 'br' : 'gzip', { agent })))
  assert.deepEqual(replies.map(reply => [reply.status, reply.error]),
    Array(4).fill([200, undefined]))
  assert.equal(replies[3].hash, hash(large.subarray(0, MB + 1)))
  agent.destroy()
  const socket = await server.socket()
  socket.write(get('/dir/edge.txt', 'Accept-Encoding: gzip') + get('/text?n=20') +
    get('/dir/edge.txt', 'Accept-Encoding: gzip', 'Connection: close'))
  await until(() => socket.closed || socket.readableEnded, 'the end')
  const [first, second, third] = socket.got.split('\r\n0\r\n\r\n')
  assert.match(second,
    /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nbaaaaaabaaaaaabaaaaaHTTP\/1\.1 200 OK\r\n/)
  assert.match(first, /Transfer-Encoding: chunked/)
  assert.equal(third, '')
})

test('many large downloads hold nobody up', async () => {
  let over = 0, asked = 0, worst = 0
  const from = performance.now()
  const downloads = Array.from({ length: 8 },
    (_, i) => fetch('/dir/middle.txt', i % 2 ? 'br' : 'gzip').finally(() => over++))
  while (over < 1) {
    const start = performance.now()
    const socket = await server.socket()
    socket.write(get('/text?n=10', 'Connection: close'))
    await until(() => socket.got.includes('\r\n\r\nb'), 'a short reply')
    worst = Math.max(worst, performance.now() - start)
    asked++
  }
  assert(asked > 5, `${asked} replies`) // the first download ends when all have nearly ended
  const all = performance.now() - from
  assert(worst < all / 2, `a short reply took ${worst} ms of ${all}`)
  const replies = await Promise.all(downloads)
  assert.deepEqual(replies.map(reply => reply.hash), Array(8).fill(hash(middle)))
})

test('a client that does not read costs a piece, one that leaves nothing', async () => {
  const before = server.rss_kb(), sockets = []
  for (let i = 0; i < 20; i++) {
    const socket = await server.socket({ read: false })
    socket.write(get('/dir/noise.txt', `Accept-Encoding: ${i % 2 ? 'br' : 'gzip'}`))
    sockets.push(socket)
  }
  await new Promise(done => setTimeout(done, 500))
  assert(server.rss_kb() - before < 20 * 400 + 8000,
    `${server.rss_kb() - before} KB for 20 that do not read`)
  sockets.forEach(socket => socket.destroy())
  assert.equal((await fetch('/text?n=10')).length, 10)
})

test('a file that becomes shorter breaks the reply off', async () => {
  for (const coding of ['br', 'gzip']) {
    const name = path.join(dir, `shrinks-${coding}.txt`)
    writeFileSync(name, Buffer.concat(Array(8).fill(noise)))
    const reply = await fetch(`/dir/shrinks-${coding}.txt`, coding,
      { slow: go => setTimeout(() => { truncateSync(name, 1000); go() }, 200) })
    assert(reply.error, 'it must not look complete')
    assert(reply.length < 24 * MB)
  }
  assert.equal((await fetch('/text?n=10')).length, 10)
})

test('a client that leaves in the middle of a plain file ends its connection and nothing else',
    async () => {
  for (let i = 0; i < 60; i++) {
    const socket = await server.socket({ read: false })
    // half closed: what is sent later meets a socket that is gone, and no reset before
    socket.end(get('/dir/large.txt'))
    await new Promise(done => socket.once('data', done).once('close', done))
    socket.pause()
    socket.destroy()
  }
  await until(async () => (await fetch('/dir/edge.txt', 'br')).status === 200,
    'the server to be there')
})
