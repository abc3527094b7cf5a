#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Memory runs out for the whole process, SQLite, brotli and libc included, while everything is
// asked for at once: allocations that fail one in k or in bursts (scarce_memory.c), and an address
// space that is full. The program lives on; what it refuses it refuses by a status or a closed
// connection; what it acknowledged is there; and once there is memory again all is served, and
// nothing was lost or kept.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, readSync, rmSync, utimesSync,
  writeFileSync, writeSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import zlib from 'node:zlib'
import { elements, listen, root, Server, sleep, test, until } from './wire.mjs'

const rows = n => Array.from({ length: n }, (_, i) => `row ${i} of the table\n`).join('')
let dir, plan

before(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'sse-faults-'))
  writeFileSync(path.join(dir, 'small.txt'), 'small')
  writeFileSync(path.join(dir, 'kept.txt'), rows(5000))
  writeFileSync(path.join(dir, 'large.txt'), rows(60000)) // over 1 MiB: compressed as it leaves
  writeFileSync(path.join(dir, 'plan'), Buffer.alloc(16))
  plan = openSync(path.join(dir, 'plan'), 'r+')
})
after(() => { closeSync(plan); rmSync(dir, { recursive: true }) })

// From now on `burst` of each `every` allocations fail; none with 0. Answers how many had failed.
function fail(every, burst = 1) {
  const words = new Uint32Array([every, burst]), old = new Uint32Array(4)
  readSync(plan, old, 0, 16, 0)
  writeSync(plan, words, 0, 8, 0)
  return old[3]
}

async function served(program, env, fn) {
  const server = await Server.start(program, {
    args: ['a.db', dir],
    env,
  })
  let done
  try {
    await fn(server)
    done = true
  } finally {
    if (!done && process.env.SHOW) console.error(server.stderr)
    fail(0)
    if (done) await server.stops()
    else await server.stop({ signal: 'SIGKILL' }) // and its streams, which would keep this program
  }
}
const scarce = { get SCARCE_MEMORY() { return path.join(dir, 'plan') },
  LD_PRELOAD: path.join(root, 'build/scarce_memory.so') }
const asan = { ASAN_OPTIONS: ['verify_asan_link_order=0', 'detect_leaks=1', 'quarantine_size_mb=8',
  'malloc_context_size=8'].join(':') }

// A reply read whole and decoded, { status, body }; { status: 0 } if the connection ended before
// that.
const ask = (server, method, target, { headers = {}, body } = {}) => new Promise((done, failed) => {
  const none = () => { clearTimeout(late); done({ status: 0 }) }
  const req = http.request({ host: '127.0.0.1', port: server.port, method, path: target, headers,
      agent: false }, res => {
    const chunks = []
    const decode =
      { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync }[res.headers['content-encoding']]
    res.on('data', chunk => chunks.push(chunk)).on('error', none).on('end', () => {
      clearTimeout(late)
      const bytes = Buffer.concat(chunks)
      done({ status: res.statusCode,
        body: (decode && bytes.length ? decode(bytes) : bytes).toString() })
    })
  }).on('error', none)
  const late =
    setTimeout(() => { failed(new Error(`${method} ${target} hangs`)); req.destroy() }, 60000)
  req.end(body)
})

const typed = (type, body) => ({ headers: { 'Content-Type': type }, body })
const accept = coding => ({ headers: { 'Accept-Encoding': coding } })
const list = n => `<h1>me, &lt;1&gt;</h1>\n` +
  Array.from({ length: n }, (_, i) => `<li>row ${i} of the page\n`).join('')
const kinds = [
  ['GET', '/page/me?q=%3C1%3E', {}, list(0)],
  ['GET', '/page/me?q=%3C1%3E&n=300', accept('br'), list(300)],
  ['GET', '/page/me?q=%3C1%3E&n=20000', accept('br'), list(20000)],
  ['GET', '/page/me?q=%3C1%3E&n=300', accept('gzip'), list(300)],
  ['GET', '/page/me?q=%3C1%3E&n=20000', accept('gzip'), list(20000)],
  ['POST', '/form', typed('application/x-www-form-urlencoded', 'a=1&b=two%20words'), '1 two words'],
  ['POST', '/signals', typed('application/json', '{"user":{"name":"Anna"}}'), '{"name":"Anna"}'],
  ['POST', '/upload', typed('text/plain', 'x'.repeat(300000)), '300000'],
  ['GET', '/later', {}, 'later'],
  ['GET', '/dir/small.txt', {}, 'small'],
  ['GET', '/dir/kept.txt', accept('br'), rows(5000)],
  ['GET', '/dir/kept.txt', accept('gzip'), rows(5000)],
  ['GET', '/dir/large.txt', accept('br'), rows(60000)],
  ['GET', '/dir/large.txt', accept('gzip'), rows(60000)],
  ['GET', '/dir/large.txt', {}, rows(60000)],
  ['GET', '/_sse', {}, /<html/],
  ['GET', '/_sse/metrics', {}, /connections/],
]

// A success is the whole truth; the rest are refusals, which a server with memory does not give.
async function one(server, [method, target, options, want], sure) {
  const { status, body } = await ask(server, method, target, options)
  if (!sure && ([0, 500, 503].includes(status) || (status === 404 && target.startsWith('/dir'))))
    return
  assert.equal(status, 200, `${method} ${target}: ${body}`)
  if (want instanceof RegExp) assert.match(body, want)
  else assert(body === want,
    `${method} ${target}: ${body.length} bytes, not ${want.length}: ${body.slice(0, 100)}`)
}

// What one server acknowledged so far.
const accounts = () => ({ rows: [], kept: [], stored: [], next: 0 })

async function write(server, told, sure) {
  const k = `k${told.next++}`, acknowledged = (status, list, text) => {
    assert([0, 204, 500, 503].includes(status) && (!sure || status === 204), `${text}: ${status}`)
    if (status === 204) list.push(text)
  }
  acknowledged((await ask(server, 'POST', `/write?k=${k}`)).status, told.rows, k)
  for (const topic of ['kept', 'stored'])
    acknowledged((await ask(server, 'POST', `/publish/${topic}?data=${k}`)).status, told[topic], k)
}

const paths = ['/events/kept', '/events/stored', '/events/outbox', '/view/a', '/view/b',
  '/each?q=me', '/_sse/live']
const codings = ['identity', 'br', 'gzip']
const open = (server, target, headers) =>
  listen(server, target, { headers: { Accept: 'text/event-stream', ...headers } })
    .catch(() => ({ status: 0, events: [], closed: true, close() {} }))
const open_all = server => Promise.all(paths.flatMap(target => codings.map(async coding => {
  const stream = await open(server, target, { 'Accept-Encoding': coding })
  return Object.assign(stream, { target, coding })
})))

// An open stream got each event once and in order from its first on; a gap event says what is
// missing.
function in_order(stream, told, since = 0) {
  const all = stream.events.map(({ event, data }) => event === 'gap' ? 'gap' : data)
    .filter(data => /^(k\d+|gap)$/.test(data))
  const numbers = all.filter(data => data !== 'gap').map(data => Number(data.slice(1)))
  numbers.forEach((n, i) => assert(i === 0 || n > numbers[i - 1], `${stream.target}: ${all}`))
  if (all.includes('gap') || stream.closed) return
  const missing = told.filter(k => Number(k.slice(1)) >= since && !all.includes(k))
  assert.deepEqual(missing, [], `${stream.target} (${stream.error ?? ''}) got ${all}`)
}

// Everything at once, `rounds` times.
async function crowd(server, told, { rounds = 3, sure = false } = {}) {
  for (let i = 0; i < rounds; i++) {
    utimesSync(path.join(dir, 'kept.txt'), told.next + 1, told.next + 1) // compressed anew
    const streams =
      Promise.all([open_all(server), open(server, '/events/stored', { 'Last-Event-ID': last_id })])
    await Promise.all([...kinds.map(kind => one(server, kind, sure)), write(server, told, sure),
      ask(server, 'POST', '/touch')])
    const all = (await streams).flat()
    await write(server, told, sure)
    // anything but an event stream ends an EventSource for good
    for (const { target = 'replay', status, headers } of all) {
      assert([0, 200].includes(status) || (!sure && [500, 503].includes(status)),
        `${target}: ${status}`)
      if (status === 200) assert.match(headers['content-type'], /^text\/event-stream/)
    }
    for (const stream of all) stream.close()
  }
}
let last_id = ''

const descriptors = server => readdirSync(`/proc/${server.pid}/fd`).length
const alive = server => assert(server.child.exitCode === null && server.child.signalCode === null,
  `it ended: ${server.stderr}`)
const text_of = async (server, target) => {
  const reply = await ask(server, 'GET', target)
  assert.equal(reply.status, 200, target)
  return reply.body
}

// There is memory again: all is served, all that was acknowledged is there, nothing is left open.
async function recovers(server, told, before, watchers) {
  alive(server)
  await crowd(server, told, { rounds: 1, sure: true })
  const lines = async target => (await text_of(server, target)).split('\n').filter(Boolean)
  const there = { rows: await lines('/rows'), kept: await lines('/history/kept'),
    stored: await lines('/history/stored') }
  for (const what of ['rows', 'kept', 'stored']) {
    assert.deepEqual(told[what].filter(k => !there[what].includes(k)), [],
      `acknowledged, and not in ${what}`)
    assert.equal(new Set(there[what]).size, there[what].length, `twice in ${what}`)
  }
  const newest = { '/events/kept': told.kept.at(-1), '/events/stored': told.stored.at(-1),
    '/events/outbox': told.rows.at(-1) }
  for (const stream of watchers) {
    const want = newest[stream.target]
    if (want) await until(() => stream.closed || stream.events.some(({ data }) => data === want),
      () => `${want} on ${stream.target}, ${stream.coding}, ${stream.bytes} bytes, ` +
      `${stream.error ?? ''}: ${stream.events.slice(-3).map(({ data }) => data)}; ` +
      `it said ${server.stderr.slice(-1500)}`)
    else if (stream.target.startsWith('/view')) await until(() => stream.closed ||
      elements(stream.last)?.includes(` ${there.rows.length} rows<`),
      () => `${there.rows.length} rows on ${stream.target}: ${stream.last?.data}`)
    if (want)
      in_order(stream, told[stream.target === '/events/outbox' ? 'rows' : stream.target.slice(8)],
        stream.since)
  }
  const ended = watchers.filter(stream => stream.closed).length
  for (const stream of watchers) stream.close()
  await until(async () => {
    const { connections, streams, views } = JSON.parse(await text_of(server, '/stats'))
    return connections === 1 && streams === 0 && views === 0 && descriptors(server) <= before + 2
  }, async () =>
    `${await text_of(server, '/stats')}, ${descriptors(server)} descriptors, ${before} before`)
  return ended
}

const watch = async (server, told) => {
  const all = await open_all(server)
  for (const stream of all) {
    assert.equal(stream.status, 200, stream.target)
    stream.since = told.next
  }
  return all
}

const plans = [2, 3, 5, 7, 11].map(every => [every, 1]).concat([[40, 20], [300, 100], [3000, 1000]])

async function sweep(server, t) {
  const told = accounts()
  await crowd(server, told, { rounds: 1, sure: true }) // what is made once is made
  const calm = await open(server, '/events/stored')
  await write(server, told, true)
  await until(() => calm.events.length > 0, 'an id')
  last_id = calm.last.id
  calm.close()
  await until(async () => JSON.parse(await text_of(server, '/stats')).connections === 1, 'quiet')
  const before = descriptors(server)
  for (const [every, burst] of plans) {
    const watchers = await watch(server, told), from = fail(every, burst)
    await crowd(server, told)
    const failed = fail(0) - from
    alive(server)
    assert(failed > 0, 'none failed')
    const ended = await recovers(server, told, before, watchers)
    t.diagnostic(`${burst} of ${every}: ${failed} failed, ${ended} of ${watchers.length} streams ` +
      `ended; acknowledged by now: ${told.rows.length} rows, ` +
      `${told.kept.length} and ${told.stored.length} events of ${told.next}`)
  }
  return told
}

test('allocations of the whole process fail, one in k and in bursts, under sanitizers', async t => {
  await served('asan/faults', { ...scarce, ...asan }, server => sweep(server, t))
}, 180000)

test('the same without; what was acknowledged is there after kill -9', async t => {
  await served('clang/faults', { ...scarce }, async server => {
    const told = await sweep(server, t)
    fail(5)
    await crowd(server, told)
    fail(0)
    await recovers(server, told, descriptors(server), [])
    await sleep(2500) // an event that could not be written is written a second later
    await server.restart('SIGKILL')
    const there =
      { rows: await text_of(server, '/rows'), stored: await text_of(server, '/history/stored') }
    for (const what of ['rows', 'stored'])
      assert.deepEqual(told[what].filter(k => !there[what].split('\n').includes(k)), [], what)
  })
}, 120000)

test('an address space that is full (ulimit -v)', async t => {
  const limit = (server, kb) => execFileSync('prlimit',
    ['--pid', String(server.pid), `--as=${kb ? kb * 1024 : 'unlimited'}:unlimited`])
  const mapped_kb = server =>
    Number(/^VmSize:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1])
  await served('clang/faults', { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536',
      MALLOC_MMAP_THRESHOLD_: '65536' }, async server => {
    const told = accounts()
    await crowd(server, told, { rounds: 1, sure: true })
    await until(async () => JSON.parse(await text_of(server, '/stats')).connections === 1, 'quiet')
    const before = descriptors(server)
    for (const more_kb of [4096, 1024, 256, 64, 0]) {
      const watchers = await watch(server, told), refused = server.stderr.length
      limit(server, mapped_kb(server) + more_kb)
      const page = ['GET', '/page/me?q=%3C1%3E&n=60000', {}, list(60000)] // 1.5 MB
      await Promise.all(
        [crowd(server, told), ...Array.from({ length: 40 }, () => one(server, page))])
      limit(server, 0)
      alive(server)
      const ended = await recovers(server, told, before, watchers)
      t.diagnostic(`${more_kb} KB more: ${ended} of ${watchers.length} streams ended, ` +
        `${server.stderr.slice(refused).split('\n').length - 1} log lines; ` +
        `${told.rows.length} rows of ${told.next}`)
    }
  })
}, 60000)
