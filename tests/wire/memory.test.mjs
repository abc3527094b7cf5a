#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Allocations that fail while requests of every kind are answered: the server may say 500 or 503 or
// hang up, but what it calls a success is right and whole, it neither crashes nor hangs nor leaks,
// and serves as before once there is memory again.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import zlib from 'node:zlib'
import { EventParser, Server, elements, test, until } from './wire.mjs'

const rows = n => Array.from({ length: n }, (_, i) => `row ${i} of the table\n`).join('')
const dir = mkdtempSync(path.join(os.tmpdir(), 'sse-'))
let server
before(async () => {
  writeFileSync(path.join(dir, 'small.txt'), 'small')
  writeFileSync(path.join(dir, 'kept.txt'), rows(5000))
  writeFileSync(path.join(dir, 'large.txt'), rows(48000))
  server = await Server.start('asan/memory', { args: [dir],
    env: { ASAN_OPTIONS: 'detect_leaks=1:quarantine_size_mb=8:malloc_context_size=4' } })
})
after(async () => { await server?.stops(); rmSync(dir, { recursive: true }) })

// A reply read whole, { status, headers, body }; or { status: 0 } if the connection ended before
// that.
const ask = (method, target, { headers = {}, body } = {}) => new Promise((done, failed) => {
  const req = http.request({ host: '127.0.0.1', port: server.port, method, path: target, headers,
      agent: false }, res => {
    const chunks = []
    const decode =
      { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync }[res.headers['content-encoding']]
    res.on('data', chunk => chunks.push(chunk))
        .on('error', () => { clearTimeout(late); done({ status: 0 }) }).on('end', () => {
      clearTimeout(late)
      const bytes = Buffer.concat(chunks)
      done({ status: res.statusCode, headers: res.headers,
        body: (decode && bytes.length ? decode(bytes) : bytes).toString() })
    })
  }).on('error', () => { clearTimeout(late); done({ status: 0 }) })
  const late =
    setTimeout(() => { failed(new Error(`${method} ${target} hangs`)); req.destroy() }, 60000)
  req.end(body)
})
const calmly = async target => { // what steers the test must not fail
  const reply = await ask('GET', target)
  assert.equal(reply.status, 200, target)
  return reply.body
}
const arm = async which => {
  await calmly(`/arm?${which}`)
  process.kill(server.pid, 'SIGUSR2')
}
const now = async () => JSON.parse(await calmly('/now'))
const failures = async () => {
  process.kill(server.pid, 'SIGUSR1')
  return (await now()).failed
}

const form = 'multipart/form-data; boundary=xyz'
const parts = list => list.map(([name, text]) =>
  `--xyz\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n${text}\r\n`)
  .join('') + '--xyz--\r\n'
const sum = text => String(Buffer.from(text).reduce((a, b) => a + b, 0))
const accept = coding => ({ headers: { 'Accept-Encoding': coding } })
const kinds = {
  page: ['GET', '/hello/world?q=%3C1%3E', {}, 'hello world, &lt;1&gt;'],
  nothing: ['GET', '/nowhere', {}, 'there is nothing at /nowhere\n', 404],
  br: ['GET', '/table?n=200', accept('br'), rows(200)],
  gzip: ['GET', '/table?n=200', accept('gzip'), rows(200)],
  'large, br': ['GET', '/table?n=12500', accept('br'), rows(12500)],
  'large, gzip': ['GET', '/table?n=12500', accept('gzip'), rows(12500)],
  'large, plain': ['GET', '/table?n=12500', {}, rows(12500)],
  file: ['GET', '/dir/small.txt', {}, 'small'],
  'file kept': ['GET', '/dir/kept.txt', accept('br'), rows(5000)],
  'large file': ['GET', '/dir/large.txt', accept('gzip'), rows(48000)],
  'large file, plain': ['GET', '/dir/large.txt', {}, rows(48000)],
  body: ['POST', '/echo', { body: rows(3000), headers: { 'Content-Length': rows(3000).length } },
    rows(3000)],
  'chunked body': ['POST', '/echo',
    { body: rows(3000), headers: { 'Transfer-Encoding': 'chunked' } }, rows(3000)],
  form: ['POST', '/form', { body: 'a=1&b=two%20words',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Cookie': 'c=crumb' } },
    '1 two words crumb'],
  'form of parts': ['POST', '/form',
    { body: parts([['a', 1], ['b', 2]]).replaceAll('; filename="f"', ''),
    headers: { 'Content-Type': form, 'Cookie': 'c=x' } }, '1 2 x'],
  signals: ['POST', '/signals', { body: '{"user":{"name":"A\\u00e9\\""}}',
    headers: { 'Content-Type': 'application/json' } }, '{"name":"Aé\\""}'],
  upload: ['POST', '/upload', { body: parts([['a', rows(4000)], ['b', '']]),
    headers: { 'Content-Type': form } }, sum(rows(4000))],
  later: ['GET', '/later?q=now', {}, 'now, later'],
  away: ['GET', '/away?q=x', {}, '', 303],
}

// One request of a kind. Success must be the whole truth; anything else is a refusal.
async function one(kind, sure) {
  const [method, target, options, body, status = 200] = kinds[kind]
  const reply = await ask(method, target, options)
  if (!sure && [0, 500, 503].includes(reply.status)) return
  if (!sure && status === 404 && reply.status === 404) return
  assert.deepEqual([kind, reply.status, reply.body.length], [kind, status, body.length],
    reply.body.slice(0, 200))
  assert.equal(reply.body, body)
}

// An event stream that ends when the server says so: { status, type, events, retry }.
function follow(target, coding) {
  const stream = { events: [], status: undefined, over: false }, end = () => { stream.over = true }
  const parser = new EventParser(event => stream.events.push(event))
  http.get({ host: '127.0.0.1', port: server.port, path: target,
      headers: { Accept: 'text/event-stream', 'Accept-Encoding': coding }, agent: false }, res => {
    const decode =
      { br: zlib.createBrotliDecompress, gzip: zlib.createGunzip }[res.headers['content-encoding']]
    stream.status = res.statusCode
    stream.type = res.headers['content-type']
    const body = decode ? res.pipe(decode()) : res
    body.setEncoding('utf8').on('data', text => parser.push(text)).on('error', end)
    res.on('error', end).on('close', end)
  }).on('error', () => { stream.status ??= 0; end() })
  return stream
}

// Streams of every kind are opened, get events and end. What they got is right, and all of it if
// nothing failed.
async function streams(sure) {
  const codings = ['identity', 'br', 'gzip']
  const topics =
    codings.flatMap(coding => ['kept', 'plain'].map(topic => follow(`/events/${topic}`, coding)))
  const views = codings.map((coding, i) => follow(`/view/${i % 2}`, coding))
  const each = codings.map(coding => follow('/each?q=me', coding))
  const all = [...topics, ...views, ...each]
  await until(() => all.every(stream => stream.status !== undefined), 'all to be answered')
  const tell = (method, target) =>
    ask(method, target).then(reply => sure && assert.equal(reply.status, 200, target))
  const told = Date.now() % 100000
  for (let i = 0; i < 3; i++) {
    await tell('POST', `/publish/kept?data=${told}-${i}`)
    await tell('POST', `/publish/plain?data=${told}-${i}`)
    await tell('POST', `/touch?state=${told + i}`)
  }
  if (sure) {
    await until(() => topics.every(({ events }) => events.at(-1)?.data === `${told}-2`),
      'the last event')
    await until(() => [...views, ...each].every(({ events }) =>
      elements(events.at(-1))?.includes(` ${told + 2}</p>`)), 'the last state')
    for (const { events } of topics)
      assert.deepEqual(events.slice(-3).map(({ data }) => data), [0, 1, 2].map(i => `${told}-${i}`))
  }
  for (const { status, type, events } of all) {
    if (!sure && status === 0) continue
    // anything else ends an EventSource for good
    assert.deepEqual([status, type?.split(';')[0]], [200, 'text/event-stream'])
    for (const event of events)
      assert.match(elements(event) ?? event.data,
        /^(\d+-\d|<p id="v">[01] \d+<\/p>|<p id="e">me \d+<\/p>|\{"reason":"\w+"\})$/)
  }
  return all
}

async function hang_up(all) {
  assert.equal((await ask('POST', '/end')).status, 200)
  await until(() => all.every(stream => stream.over), 'all streams to end')
}

test('each allocation of each kind of request fails once', async t => {
  let total = 0
  for (const kind of Object.keys(kinds)) {
    let n = 1
    for (; n < 200; n += n < 12 ? 1 : 3) { // the many of a large body are alike
      if (kind === 'file kept') utimesSync(path.join(dir, 'kept.txt'), n, n) // compressed anew
      await arm(`nth=${n}`)
      await one(kind)
      if (!await failures()) break
      await one(kind, true)
      if (kind === 'file kept')
        assert.equal((await ask(...kinds[kind])).headers['content-encoding'], 'br',
          'once there is memory')
    }
    assert(n > 1 && n < 200, `${kind}: ${n - 1} allocations failed`)
    total += n - 1
  }
  t.diagnostic(`${total} allocations failed`)
})

test('every Nth allocation fails while streams of every kind are served', async () => {
  for (const n of [1, 2, 3, 4, 5, 7, 9, 12, 16, 23, 31, 44, 61, 90, 130]) {
    await arm(`every=${n}`)
    const all = await streams()
    assert(await failures() > 0, `no ${n}th allocation`)
    await hang_up(all)
  }
  await hang_up(await streams(true))
})

test('every Nth allocation fails while everything is asked for at once', async () => {
  for (let n = 1; n < 100; n += n < 24 ? 1 : 7) {
    await arm(`every=${n}`)
    const [all] = await Promise.all([streams(), ...Object.keys(kinds).map(kind => one(kind))])
    assert(await failures() > 0, `no ${n}th allocation`)
    await hang_up(all)
  }
  for (const kind of Object.keys(kinds)) await one(kind, true)
  await hang_up(await streams(true))
})

test('nothing is left open', async () => {
  await until(async () => {
    const { connections, streams } = await now()
    return connections === 1 && streams === 0
  }, async () => JSON.stringify(await now()))
})
