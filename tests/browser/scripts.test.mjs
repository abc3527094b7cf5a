#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// What sse_scripts writes, in Chromium: a page comes back whatever ended its stream, and tabs that share one miss nothing. The server
// is stopped, killed and hung up on; a proxy in front of it answers 502 while it is away, as nginx does, or falls silent.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import { answers, request, root, Server, sleep, test as wire_test, until } from '../wire/wire.mjs'
import { launch } from './browser.mjs'

const UNLOAD = 1, RECONNECT = 2, STATUS = 4, TABS = 8, ALL = 15, STATS = 32
const BACK = 3000 // ms from the server's return to a page that is live: what is promised
let server, browser, topic = 0

before(async () => {
  server = await Server.start('asan/scripts')
  browser = await launch('--host-resolver-rules=MAP board.test 127.0.0.1')
})
after(async () => {
  await browser?.close()
  await server?.stops()
})

const test = (name, fn, more_ms) => wire_test(name, async () => {
  const context = await browser.newContext()
  try {
    await fn(context, ++topic)
  } finally {
    await context.close()
    await request(server, 'POST', '/refuse?times=0')
  }
}, more_ms)

// ---- pages ----

async function tab(context, options, url = server.url) {
  const page = await context.newPage()
  page.errors = []
  page.on('pageerror', error => page.errors.push(String(error)))
  await page.goto(`${url}/?${new URLSearchParams(options)}`)
  return page
}

// Opens an EventSource in a page, as window.source; all that it hears is in window.heard.
const follow = (page, url) => page.evaluate(url => {
  window.heard = []
  window.source = new EventSource(url)
  for (const type of ['open', 'error', 'message', 'tick', 'hello', 'gap']) {
    window.source.addEventListener(type, event => window.heard.push(event.data === undefined ? type : `${type}:${event.data}`))
  }
}, url)
const opened = async (context, options, url, origin) => {
  const page = await tab(context, options, origin)
  await follow(page, url)
  await hears(page, 'open')
  return page
}
const heard = page => page.evaluate(() => window.heard)
const events = async page => (await heard(page)).filter(text => text.includes(':'))
const hears = (page, what, ms) => until(async () => (await heard(page)).includes(what), `"${what}"`, ms)
const status = page => page.evaluate(() => document.documentElement.dataset.sse)
const shows = (page, what, ms) => until(async () => await status(page) === what, `"${what}"`, ms)
const state = page => page.evaluate(() => window.source.readyState)
const streams = count => until(async () => (await server.stats()).streams === count, `${count} streams`)
const publish = (topic, data, query = '') => request(server, 'POST', `/publish/${topic}?${query}`, { body: data })
const refuse = (status, times) => request(server, 'POST', `/refuse?status=${status}&times=${times}`)

// ---- proxies ----

// In front of the server: 502 while it is away. .deaf: it takes connections and says nothing. .silent: what flows, stops.
function proxy() {
  const front = { deaf: false, silent: false, asked: [] }
  const serve = http.createServer((req, res) => {
    front.asked.push({ url: req.url, id: req.headers['last-event-id'] })
    if (front.deaf) return
    const up = http.request({ host: '127.0.0.1', port: server.port, path: req.url, method: req.method, headers: req.headers, agent: false })
    up.on('error', () => { if (res.headersSent) res.destroy(); else res.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502</h1>') })
    up.on('response', reply => {
      res.writeHead(reply.statusCode, reply.headers)
      res.flushHeaders()
      reply.on('data', chunk => { if (!front.silent) res.write(chunk) })
      reply.on('end', () => res.end()).on('error', () => res.destroy())
    })
    res.on('close', () => up.destroy())
    req.pipe(up)
  })
  return new Promise(done => serve.listen(0, '127.0.0.1', () => {
    front.url = `http://127.0.0.1:${serve.address().port}`
    front.close = () => { serve.close(); serve.closeAllConnections() }
    done(front)
  }))
}

const free_port = () => new Promise(done => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => { const { port } = probe.address(); probe.close(() => done(port)) })
})

async function nginx() { // as its documentation sets one up
  const program = ['/usr/sbin/nginx', path.join(root, 'build/nginx/usr/sbin/nginx')].find(existsSync)
  const dir = mkdtempSync(path.join(os.tmpdir(), 'sse-nginx-')), port = await free_port()
  writeFileSync(path.join(dir, 'nginx.conf'), `
${process.getuid() ? '' : 'user root;'} daemon off; pid nginx.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${name};`).join(' ')}
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${server.port}; } }
}`)
  const child = spawn(program, ['-p', dir, '-c', path.join(dir, 'nginx.conf'), '-e', 'stderr'], { stdio: 'ignore' })
  process.on('exit', () => child.kill('SIGKILL'))
  await until(() => answers(port), 'nginx to listen')
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise(done => child.once('close', () => { rmSync(dir, { recursive: true, force: true }); done() }).kill('SIGTERM')),
  }
}

// The server ends by a signal, is away for some time, and comes back on the same port.
async function away(signal, ms) {
  await server.stop({ signal, keep: true })
  await sleep(ms)
  server.env = { ...server.env, PORT: String(server.port) }
  await server.restart('SIGKILL')
  return Date.now()
}

// ---- reconnecting ----

for (const [name, front, signal] of [['SIGTERM', null, 'SIGTERM'], ['kill -9', null, 'SIGKILL'], ['SIGTERM behind a proxy', proxy, 'SIGTERM'],
  ['kill -9 behind a proxy', proxy, 'SIGKILL'], ['SIGTERM behind nginx', nginx, 'SIGTERM']])
  test(`RECONNECT: ${name}, away for 6 s: the page says so at once, and is back within 3 s`, async (context, n) => {
    const before = front ? await front() : server, on = `kept.${n}`
    try {
      const page = await opened(context, { which: ALL }, `/stream/${on}?hello=1`, before.url)
      await publish(on, 'before')
      await hears(page, 'message:before')
      await shows(page, 'open')
      assert.equal(await page.textContent('[data-sse-status]'), '')
      const gone = away(signal, 6000)
      await shows(page, 'connecting', 2000)
      assert.equal(await page.textContent('[data-sse-status]'), 'not connected, trying again')
      const back = await gone
      await publish(on, 'while away')
      await hears(page, 'message:while away', BACK)
      await shows(page, 'open', 1000)
      assert(Date.now() - back < BACK, `${Date.now() - back} ms`)
      assert.deepEqual((await events(page)).filter(text => text.startsWith('message')), ['message:before', 'message:while away'])
      assert.deepEqual(page.errors, [])
    } finally {
      await before.close?.()
    }
  }, 30000)

test('RECONNECT: the first try comes within a second, the next ones every two at most; a lifetime is a break, too', async (context, n) => {
  const page = await opened(context, { which: RECONNECT }, `/stream/kept.${n}?lifetime_ms=6000`), times = []
  page.on('request', asked => times.push(Date.now()))
  await refuse(503, 6)
  await until(() => times.length === 7, 'seven tries', 25000)
  const waits = times.slice(1).map((time, i) => time - times[i])
  assert(waits.slice(0, 2).every(wait => wait > 200), `waits ${waits}`)
  assert(waits.every(wait => wait < 2400), `waits ${waits}`)
  await until(async () => await state(page) === 1, 'open')
  await request(server, 'POST', '/end')
  await until(() => times.length === 8, 'the next', 1000)
}, 30000)

test('RECONNECT: what the server says in retry: is never cut short, and no longer than its stream', async (context, n) => {
  const page = await opened(context, { which: RECONNECT }, `/stream/kept.${n}?retry_ms=1500`)
  await sleep(100) // retry: follows the head
  for (const [least, most] of [[1450, 2500], [1450, 2500]]) {
    const asked = page.waitForRequest(/stream/), start = Date.now()
    await request(server, 'POST', '/end')
    await asked
    assert(Date.now() - start > least && Date.now() - start < most, `${Date.now() - start} ms`)
    await until(async () => await state(page) === 1, 'open')
    await sleep(100)
  }
})

test('RECONNECT: 204 is the end, at first and later; other statuses and types are not', async (context, n) => {
  const page = await tab(context, { which: RECONNECT | STATUS })
  for (const again of [false, true]) {
    if (again) {
      await follow(page, `/stream/kept.${n}`)
      await hears(page, 'open')
    }
    await refuse(204, 100)
    if (again) await request(server, 'POST', '/end')
    else await follow(page, `/stream/kept.${n}`)
    await until(async () => await state(page) === 2, 'the end')
    assert.equal(await status(page), 'closed')
    const { asked } = await server.stats()
    await sleep(1500)
    assert.equal((await server.stats()).asked, asked)
    await refuse(204, 0)
  }
  for (const wrong of [500, 404, 401, 200]) { // 200: with an empty body that is no stream
    await refuse(wrong, 1)
    await follow(page, `/stream/kept.${n}`)
    await hears(page, 'open')
    assert.equal((await heard(page))[0], 'error', String(wrong))
    await page.evaluate(() => window.source.close())
  }
})

test('RECONNECT: after max_retries the stream is closed; one that opens has all of them again', async (context, n) => {
  const page = await opened(context, { which: ALL, max_retries: 3, retry_ms: 50, max_retry_ms: 100 }, `/stream/kept.${n}`)
  for (const times of [2, 2, 100]) {
    const { asked } = await server.stats()
    await refuse(500, times)
    await request(server, 'POST', '/end')
    if (times === 2) await until(async () => (await server.stats()).asked === asked + 3 && await state(page) === 1, 'open')
    else await until(async () => await state(page) === 2, 'the end')
    if (times > 2) assert.equal((await server.stats()).asked, asked + 3)
  }
  assert.equal(await page.textContent('[data-sse-status]'), 'closed')
})

test('RECONNECT: a try that nobody answers is given up, and so is a line that is silent for idle_ms', async (context, n) => {
  const front = await proxy()
  try {
    const page = await opened(context, { which: ALL, idle_ms: 1000 }, `/stream/kept.${n}?ping_ms=200`, front.url)
    await publish(`kept.${n}`, 'first')
    await hears(page, 'message:first')
    await sleep(2000) // quiet, but for its pings
    assert.equal(front.asked.filter(({ url }) => url.includes('/stream/')).length, 1)
    front.silent = true
    await publish(`kept.${n}`, 'while silent')
    await shows(page, 'connecting', 3000)
    front.silent = false
    await hears(page, 'message:while silent')
    front.deaf = true
    await request(server, 'POST', '/end')
    await until(() => front.asked.length > 4, 'a second try', 10000)
    front.deaf = false
    await shows(page, 'open')
  } finally {
    front.close()
  }
}, 30000)

test('RECONNECT: at once when the network is back or the page is looked at', async (context, n) => {
  const page = await opened(context, { which: RECONNECT, retry_ms: 60000 }, `/stream/kept.${n}`)
  for (const wake of [
    () => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))),
    async () => { await context.setOffline(true); await context.setOffline(false) },
  ]) {
    await request(server, 'POST', '/end')
    await until(async () => await state(page) === 0, 'the break')
    await wake()
    await until(async () => await state(page) === 1, 'open', 2000)
  }
})

test('RECONNECT: an id without data counts, and one in the URL says where to begin', async (context, n) => {
  const on = `kept.${n}`
  for (const text of ['one', 'two', 'three']) await publish(on, text)
  const ids = (await request(server, 'GET', `/history/${on}`)).body.trim().split('\n').map(line => line.split(' ')[0])
  const page = await opened(context, { which: RECONNECT }, `/stream/${on}?lastEventId=${ids[0]}`)
  await hears(page, 'message:three')
  await publish(on, 'four')
  await hears(page, 'message:four')
  await request(server, 'POST', '/end')
  await publish(on, 'five')
  await hears(page, 'message:five')
  assert.deepEqual(await events(page), ['two', 'three', 'four', 'five'].map(text => `message:${text}`))
})
