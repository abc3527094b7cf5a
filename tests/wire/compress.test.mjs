#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Replies and files, compressed where that is wanted and left alone where not. large.test.mjs has
// those that are compressed as they leave.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import zlib from 'node:zlib'
import { Server, sleep, test } from './wire.mjs'

const dir = mkdtempSync(path.join(os.tmpdir(), 'sse-'))
const put = (name, text) => writeFileSync(path.join(dir, name), text)
const words = n => Array.from({ length: n }, (_, i) => `line ${i * i % 97}\n`).join('')
let server
before(async () => {
  put('page.html', words(1000)); put('photo.png', words(1000)); put('small.txt', 'small')
  put('edge.txt', 'x'.repeat(1024))
  put('beside.js', words(500))
  put('beside.js.br', zlib.brotliCompressSync('beside'))
  server = await Server.start('asan/compress', { args: [dir] })
})
after(async () => { await server?.stops(); rmSync(dir, { recursive: true }) })

const decoders = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync }
const get = (target, coding, { method = 'GET', headers = {}, of = server } = {}) =>
    new Promise((done, failed) => {
  const all = coding ? { 'Accept-Encoding': coding, ...headers } : headers
  http.request({ host: '127.0.0.1', port: of.port, path: target, method, headers: all,
      agent: false }, res => {
    const chunks = []
    res.on('data', chunk => chunks.push(chunk)).on('error', failed).on('end', () => {
      const bytes = Buffer.concat(chunks), encoding = res.headers['content-encoding']
      if (method === 'GET' && res.statusCode === 200 && !res.headers['transfer-encoding'])
        assert.equal(bytes.length, Number(res.headers['content-length']))
      const decode = bytes.length && decoders[encoding]
      done({ status: res.statusCode, headers: res.headers, encoding, wire: bytes.length,
        body: (decode ? decode(bytes) : bytes).toString() })
    })
  }).on('error', failed).end()
})

test('the coding that the client likes best', async () => {
  const plain = (await get('/text')).body
  for (const [accept, encoding] of [['br', 'br'], ['gzip', 'gzip'], ['gzip, deflate', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'], ['br;q=0.5, gzip', 'gzip'],
    ['br;q=0, gzip;q=0', undefined], ['identity', undefined], ['*', 'br'], ['deflate', undefined],
    [undefined, undefined]]) {
    const reply = await get('/text', accept)
    assert.equal(reply.encoding, encoding, accept)
    assert.equal(reply.body, plain)
    assert.equal(reply.headers.vary, 'Accept-Encoding')
    if (encoding) assert(reply.wire < 200, `${accept}: ${reply.wire} bytes`)
  }
})

test('text of 1,024 bytes and more, not what is compressed already', async () => {
  const encoding = async query => (await get(`/text?${query}`, 'br')).encoding
  assert.equal(await encoding('n=1023'), undefined)
  assert.equal(await encoding('n=1024'), 'br')
  assert.equal(await encoding('status=404'), 'br')
  assert.equal(await encoding('status=206'), undefined)
  for (const type of ['application/json', 'image/svg%2Bxml', 'text/css;%20charset=utf-8',
    'Application/JSON', 'application/ld%2Bjson'])
    assert.equal(await encoding(`type=${type}`), 'br', type)
  for (const type of ['image/png', 'application/zip', 'video/mp4', 'font/woff2',
    'application/octet-stream', 'text'])
    assert.equal(await encoding(`type=${type}`), undefined, type)
  assert.equal(await encoding('coding=zstd'), 'zstd')
  assert.equal(await encoding('cache=private,%20No-Transform'), undefined)
  assert.equal(await encoding('cache=no-store'), 'br')
  const noise = await get('/noise', 'gzip')
  assert.deepEqual([noise.encoding, noise.wire], [undefined, 5000])
})

test('an ETag of the program becomes weak', async () => {
  assert.equal((await get('/text?etag="one"', 'gzip')).headers.etag, 'W/"one"')
  assert.equal((await get('/text?etag=W/"one"', 'gzip')).headers.etag, 'W/"one"')
  assert.equal((await get('/text?etag="one"')).headers.etag, '"one"')
})

test('HEAD says what GET would', async () => {
  for (const target of ['/text', '/dir/page.html', '/dir/photo.png', '/dir/small.txt'])
    for (const coding of ['br', 'gzip', undefined]) {
      const head = await get(target, coding, { method: 'HEAD' }), whole = await get(target, coding)
      const { date: a, ...said } = head.headers, { date: b, ...meant } = whole.headers
      assert.deepEqual(said, meant, `${target} ${coding}`)
    }
})

test('files: once compressed, with ETags of their own', async () => {
  const plain = await get('/dir/page.html')
  const br = await get('/dir/page.html', 'br'), gzip = await get('/dir/page.html', 'gzip')
  for (const [reply, encoding] of [[br, 'br'], [gzip, 'gzip'],
      [await get('/dir/page.html', 'br'), 'br']]) {
    assert.equal(reply.encoding, encoding)
    assert.equal(reply.body, plain.body)
    assert(reply.wire < plain.wire / 3)
  }
  assert.equal(plain.headers.vary, 'Accept-Encoding')
  assert.equal(new Set([plain, br, gzip].map(reply => reply.headers.etag)).size, 3)
  for (const [reply, coding] of [[plain, undefined], [br, 'br'], [gzip, 'gzip']])
    assert.equal((await get('/dir/page.html', coding,
      { headers: { 'If-None-Match': reply.headers.etag } })).status, 304)
  assert.equal((await get('/dir/page.html', 'gzip',
    { headers: { 'If-None-Match': br.headers.etag } })).status, 200)
  assert.equal((await get('/dir/photo.png', 'br')).encoding, undefined)
  assert.equal((await get('/dir/small.txt', 'br')).encoding, undefined)
  assert.equal((await get('/dir/beside.js', 'br')).body, 'beside')
  assert.equal((await get('/dir/beside.js', 'gzip')).body, words(500))
})

test('a file that changed is compressed anew', async () => {
  for (let i = 0; i < 3; i++) {
    put('changing.css', `${i}`.repeat(3000))
    utimesSync(path.join(dir, 'changing.css'), 1e9 + i, 1e9 + i)
    assert.equal((await get('/dir/changing.css', 'br')).body, `${i}`.repeat(3000))
  }
})

test('a range is one of the file as it is', async () => {
  const part = await get('/dir/page.html', 'br', { headers: { Range: 'bytes=10-19' } })
  assert.deepEqual([part.status, part.encoding, part.body],
    [206, undefined, words(1000).slice(10, 20)])
  const { headers: { etag } } = await get('/dir/page.html', 'br')
  const whole =
    await get('/dir/page.html', 'br', { headers: { Range: 'bytes=10-19', 'If-Range': etag } })
  assert.deepEqual([whole.status, whole.body.length], [200, words(1000).length])
})

test('many files: the cache has its bounds', async () => {
  const noisy = n =>
    Array.from({ length: 60000 }, (_, i) => (i * i * (n + 7) % 7919).toString(36)).join(' ')
  for (let i = 0; i < 40; i++) put(`many${i}.txt`, noisy(i))
  for (const i of [...Array(40).keys(), 0, 39, 1])
    assert.equal((await get(`/dir/many${i}.txt`, i % 2 ? 'br' : 'gzip')).body, noisy(i))
})

test('a file of a megabyte at quality 11: nobody waits for it, and it is compressed once',
    async t => {
  const words = 'it was the best of times, it was the worst of times'.split(' ')
  let seed = 1
  const text = Array.from({ length: 190000 },
    () => words[(seed = seed * 48271 % 2147483647) % words.length]).join(' ').slice(0, 1000000)
  const slow = await Server.start('asan/compress', { args: [dir], env: { QUALITY: '11' } })
  put('large.txt', text)
  const first = await get('/dir/large.txt', 'br', { of: slow })
  assert.equal(first.encoding, 'br')
  assert.equal(first.headers['transfer-encoding'], 'chunked')
  assert.equal(first.body, text)
  let longest = 0, kept
  const from = Date.now()
  do {
    const at = Date.now()
    await get('/text', undefined, { of: slow })
    longest = Math.max(longest, Date.now() - at)
    kept = await get('/dir/large.txt', 'br', { of: slow, method: 'HEAD' })
  } while (!kept.headers['content-length'] && Date.now() - from < 60000)
  const took = Date.now() - from
  t.diagnostic(`compressed in ${took} ms, the longest other reply took ${longest} ms`)
  assert(longest < Math.max(took / 2, 500), `${longest} of ${took} ms`)
  const second = await get('/dir/large.txt', 'br', { of: slow })
  assert.equal(second.body, text)
  assert.equal(first.headers.etag, 'W/' + second.headers.etag) // other bytes
  assert(second.wire < first.wire, `${second.wire} bytes, ${first.wire} at first`)
  assert.equal((await get('/dir/large.txt', 'br',
    { of: slow, headers: { 'If-None-Match': first.headers.etag } })).status, 304)
  await slow.stops()
})

test('files in memory, a lower bound, and none at all', async () => {
  const eager = await Server.start('asan/compress', { env: { MIN: '50' } })
  const off = await Server.start('asan/compress', { args: [dir], env: { OFF: '1' } })
  const page = await get('/memory/page.html', 'br', { of: eager })
  assert.equal(page.encoding, 'br')
  assert.match(page.body, /^a page in memory,.*memory$/)
  for (const target of ['/text', '/dir/page.html'])
    assert.equal((await get(target, 'br', { of: off })).encoding, undefined)
  await eager.stops()
  await off.stops()
})

test('a file that is written again within a second, as long as before, is another one',
    async () => {
  const write = text => put('again.css', text.repeat(500))
  const ask = (coding, headers) => get('/dir/again.css', coding, { headers })
  write('.a{color:red_}\n')
  const first = await ask('gzip')
  await sleep(50) // some ticks of the file system's clock
  write('.a{color:blue}\n')
  const second = await ask('gzip'), plain = await ask()
  assert.notEqual(second.headers.etag, first.headers.etag)
  assert.match(plain.body, /blue/)
  assert.equal(second.body, plain.body)
  assert.equal((await ask('gzip', { 'If-None-Match': first.headers.etag })).status, 200)
})

test('If-Range with a date, which does not say which coding the client has: all of it',
    async () => {
  const whole = await get('/dir/page.html', 'gzip'), date = whole.headers['last-modified']
  const again =
    await get('/dir/page.html', 'gzip', { headers: { Range: 'bytes=10-19', 'If-Range': date } })
  assert.deepEqual([again.status, again.body], [200, whole.body])
})
