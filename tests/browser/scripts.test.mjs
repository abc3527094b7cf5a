#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// What sse_scripts writes, in Chromium: a page comes back whatever ended its stream, and tabs that
// share one miss nothing. The server is stopped, killed and hung up on; a proxy in front of it
// answers 502 while it is away, as nginx does, or falls silent.
import assert from 'node:assert/strict'
import http from 'node:http'
import { after, before } from 'node:test'
import { answers, busy, free_port, request, Server, sleep, test as wire_test, until }
  from '../wire/wire.mjs'
import { launch, note_waits } from './browser.mjs'
import { nginx } from './proxies.mjs'

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
    for (const flowing of flows.splice(0)) await flowing.stop()
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
    window.source.addEventListener(type,
      event => window.heard.push(event.data === undefined ? type : `${type}:${event.data}`))
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
const hears = (page, what, ms) =>
  until(async () => (await heard(page)).includes(what), `"${what}"`, ms)
const status = page => page.evaluate(() => document.documentElement.dataset.sse)
const shows = (page, what, ms) => until(async () => await status(page) === what, `"${what}"`, ms)
const state = page => page.evaluate(() => window.source.readyState)
const streams = count =>
  until(async () => (await server.stats()).streams === count, `${count} streams`)
const publish = (topic, data, query = '') =>
  request(server, 'POST', `/publish/${topic}?${query}`, { body: data })
const refuse = (status, times) => request(server, 'POST', `/refuse?status=${status}&times=${times}`)

// ---- proxies ----

// In front of the server: 502 while it is away. .deaf: it takes connections and says nothing.
// .silent: what flows, stops.
function proxy() {
  const front = { deaf: false, silent: false, asked: [] }
  const serve = http.createServer((req, res) => {
    front.asked.push({ url: req.url, id: req.headers['last-event-id'] })
    if (front.deaf) return
    const up = http.request({ host: '127.0.0.1', port: server.port, path: req.url,
      method: req.method, headers: req.headers, agent: false })
    up.on('error', () => {
      if (res.headersSent)
        res.destroy()
      else res.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502</h1>')
    })
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

async function by_nginx() { // as its documentation sets one up
  const port = await free_port()
  const { stop } = await nginx(port, `server {
    listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${server.port}; }
  }`)
  return { url: `http://127.0.0.1:${port}`, close: stop }
}

// The server ends by a signal, is away for some time, and comes back on the same port.
async function away(signal, ms) {
  await server.stop({ signal, keep: true })
  await sleep(ms)
  await server.restart('SIGKILL')
  return Date.now()
}

// ---- reconnecting ----

for (const [name, front, signal] of [['SIGTERM', null, 'SIGTERM'], ['kill -9', null, 'SIGKILL'],
  ['SIGTERM behind a proxy', proxy, 'SIGTERM'],
  ['kill -9 behind a proxy', proxy, 'SIGKILL'], ['SIGTERM behind nginx', by_nginx, 'SIGTERM']])
  test(`RECONNECT: ${name}, away for 6 s: the page says so at once, and is back within 3 s`,
      async (context, n) => {
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
      assert(Date.now() - back < busy(BACK), `${Date.now() - back} ms`)
      assert.deepEqual((await events(page)).filter(text => text.startsWith('message')),
        ['message:before', 'message:while away'])
      assert.deepEqual(page.errors, [])
    } finally {
      await before.close?.()
    }
  }, 30000)

test('RECONNECT: the first try comes within a second, the next ones every two at most; ' +
    'a lifetime is a break, too', async (context, n) => {
  await context.addInitScript(note_waits)
  const page = await opened(context, { which: RECONNECT }, `/stream/kept.${n}?lifetime_ms=6000`)
  const times = []
  page.on('request', asked => times.push(Date.now()))
  await refuse(503, 6)
  await until(() => times.length === 7, 'seven tries', 25000)
  const waits = times.slice(1).map((time, i) => time - times[i])
  assert(waits.slice(0, 2).every(wait => wait > 200), `waits ${waits}`)
  const meant = await page.evaluate(() =>
    window.waits.filter(({ fn }) => fn.includes('read()')))
  assert.equal(meant.length, 7)
  assert(meant.every(({ ms }, i) => ms <= (i ? 2000 : 1000)), JSON.stringify(meant))
  await until(async () => await state(page) === 1, 'open')
  await request(server, 'POST', '/end')
  await until(() => times.length === 8, 'the next', 1000)
}, 30000)

test('RECONNECT: what the server says in retry: is never cut short, and no longer than its stream',
    async (context, n) => {
  const page = await opened(context, { which: RECONNECT }, `/stream/kept.${n}?retry_ms=1500`)
  await sleep(100) // retry: follows the head
  for (const [least, most] of [[1450, 2500], [1450, 2500]]) {
    const asked = page.waitForRequest(/stream/), start = Date.now()
    await request(server, 'POST', '/end')
    await asked
    assert(Date.now() - start > least && Date.now() - start < busy(most),
      `${Date.now() - start} ms`)
    await until(async () => await state(page) === 1, 'open')
    await sleep(100)
  }
})

test('RECONNECT: 204 is the end, at first and later; other statuses and types are not',
    async (context, n) => {
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

test('RECONNECT: after max_retries the stream is closed; one that opens has all of them again',
    async (context, n) => {
  const page = await opened(context,
    { which: ALL, max_retries: 3, retry_ms: 50, max_retry_ms: 100 }, `/stream/kept.${n}`)
  for (const times of [2, 2, 100]) {
    const { asked } = await server.stats()
    await refuse(500, times)
    await request(server, 'POST', '/end')
    if (times === 2) await until(async () => (await server.stats()).asked === asked +
      3 && await state(page) === 1, 'open')
    else await until(async () => await state(page) === 2, 'the end')
    if (times > 2) assert.equal((await server.stats()).asked, asked + 3)
  }
  assert.equal(await page.textContent('[data-sse-status]'), 'closed')
})

test(
    'RECONNECT: a try that nobody answers is given up, and so is a line that is silent for idle_ms',
    async (context, n) => {
  const front = await proxy()
  try {
    const page = await opened(context, { which: ALL, idle_ms: 1000 },
      `/stream/kept.${n}?ping_ms=200`, front.url)
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
    await shows(page, 'open', BACK)
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

test('RECONNECT: an id without data counts, and one in the URL says where to begin',
    async (context, n) => {
  const on = `kept.${n}`
  for (const text of ['one', 'two', 'three']) await publish(on, text)
  const ids = (await request(server, 'GET', `/history/${on}`)).body.trim().split('\n')
    .map(line => line.split(' ')[0])
  const page = await opened(context, { which: RECONNECT }, `/stream/${on}?lastEventId=${ids[0]}`)
  await hears(page, 'message:three')
  await publish(on, 'four')
  await hears(page, 'message:four')
  await request(server, 'POST', '/end')
  await publish(on, 'five')
  await hears(page, 'message:five')
  assert.deepEqual(await events(page),
    ['two', 'three', 'four', 'five'].map(text => `message:${text}`))
})

// ---- what the page shows ----

test('STATUS: nothing flickers while a page loads; the first failure is told',
    async (context, n) => {
  const page = await context.newPage()
  await page.addInitScript(() => {
    window.told = []
    document.addEventListener('sse:status', event => window.told.push(event.detail.status))
    document.addEventListener('DOMContentLoaded',
      () => { window.source = new EventSource(`/stream/${location.hash.slice(1)}`) })
  })
  await page.goto(`${server.url}/?which=${ALL}#kept.${n}`)
  await shows(page, 'open')
  assert.deepEqual(await page.evaluate(() => window.told), ['open'])
  await refuse(503, 2)
  await page.reload()
  await shows(page, 'connecting')
  assert.equal(await page.textContent('[data-sse-status]'), 'not connected, trying again')
  await shows(page, 'open')
  await page.evaluate(() => window.source.close())
  await shows(page, 'closed')
  assert.deepEqual(await page.evaluate(() => window.told), ['connecting', 'open', 'closed'])
})

test('STATS: counts in the page, as text and as an event', async (context, n) => {
  const page = await tab(context, { which: STATS | RECONNECT })
  await page.evaluate(() => {
    window.told = []
    document.addEventListener('sse:stats',
      event => window.told.push({ ...event.detail, at: Date.now() }))
  })
  const told = () => page.evaluate(() => window.told.at(-1) ?? {})
  const tells = want => until(async () => {
    const last = await told()
    return Object.keys(want).every(name => last[name] === want[name])
  }, async () => JSON.stringify(await told()))
  await follow(page, `/stream/kept.${n}`)
  await tells({ open: 1, connecting: 0, closed: 0, events: 0, reconnects: 0, last: 0 })
  for (let i = 0; i < 40; i++) await publish(`kept.${n}`, 'x')
  await tells({ events: 40 })
  assert.equal(await page.textContent('[data-sse-count=events]'), '40')
  assert.equal(await page.textContent('[data-sse-count=open]'), '1')
  assert.match(await page.textContent('[data-sse-count=last]'), /\d/)
  assert.equal(await page.textContent('[data-sse-count=x]'), 'x')
  const { since, last } = await told()
  assert(since > Date.now() - 60000 && since <= last && last <= Date.now())
  await refuse(503, 1)
  await request(server, 'POST', '/end')
  await tells({ open: 0, connecting: 1, since: 0 })
  await tells({ open: 1, reconnects: 1 })
  await page.evaluate(() => window.source.close())
  await tells({ open: 0, connecting: 0, closed: 1, events: 40 })
  const times = (await page.evaluate(() => window.told)).map(({ at }) => at)
  assert(times.slice(4).every((time, i) => time - times[i] > 900), 'four times a second at most')
})

test('a nonce, for a page whose policy allows no other script', async (context, n) => {
  const page = await opened(context, { which: ALL, nonce: 'bm9uY2U=' }, `/stream/kept.${n}`)
  assert.deepEqual(page.errors, [])
  assert(await page.evaluate(() => Boolean(EventSource.sources)))
})

// A server of raw bytes: what the browser's own EventSource makes of them is right.
test('the reader and EventSource read the same from the same bytes', async context => {
  const streams = [
    '\uFEFFdata: a\n\ndata:b\r\rdata:  c\r\n\r\nid: 1\nevent: tick\ndata\n\ndata\ndata\n\n' +
      ':comment\n\nevent: lost\n\ndata: d\n\n',
    'id: x\n\ndata: has x\n\nid\ndata: has none\n\nid: a\0b\ndata: still none\n\n' +
      'id: \u00e4\u20ac\ndata: \u{1f600}\n\nretry: 77\nretry: x\n\ndata: cut',
    'data: one\rdata: two\r\n\ndata\n: c\ndata:three\n\nevent:message\ndata: m\n\nevent: error\n' +
      'data: e\n\nevent: open\ndata: o\n\ndatum: x\n\ndata:x\n\n',
  ]
  let whole = true
  const serve = http.createServer(async (req, res) => {
    const bytes = Buffer.from(streams[Number(req.url.slice(1))] ?? '')
    res.writeHead(200,
      { 'Content-Type': req.url === '/' ? 'text/html' : 'text/event-stream;charset=utf-8' })
    res.flushHeaders()
    res.socket.setNoDelay(true)
    if (req.url === '/') return res.end()
    if (whole) return res.write(bytes)
    for (const byte of bytes) {
      res.write(Buffer.from([byte]))
      await new Promise(done => setTimeout(done, 1))
    }
  })
  await new Promise(done => serve.listen(0, '127.0.0.1', done))
  const scripts = (await request(server, 'GET', `/?which=${RECONNECT}`)).body.match(
    /<script>([^]*?)<\/script>/)[1]
  try {
    const page = await context.newPage()
    await page.goto(`http://127.0.0.1:${serve.address().port}/`)
    await page.evaluate(scripts => {
      window.Native = window.EventSource
      const script = document.createElement('script')
      script.textContent = scripts
      document.head.append(script)
      window.listen = (type, url) => {
        const source = new type(url), got = []
        for (const name of ['message', 'tick', 'lost', 'error', 'open']) {
          source.addEventListener(name, event => {
            if (event.data !== undefined) got.push([name, event.data, event.lastEventId])
          })
        }
        return { source, got }
      }
    }, scripts)
    for (whole of [true, false]) {
      const [ours, theirs] = await page.evaluate(async count => {
        const all = [], pause = ms => new Promise(done => setTimeout(done, ms))
        for (const type of [window.EventSource, window.Native]) {
          const each = Array.from({ length: count }, (_, i) => window.listen(type, `/${i}`))
          for (let i = 0; i < 600 && each.flatMap(({ got }) => got).length < 16; i++)
            await pause(100)
          await pause(500) // and no more come
          each.forEach(({ source }) => source.close())
          all.push(each.map(({ got }) => got))
        }
        return all
      }, streams.length)
      assert.deepEqual(ours, theirs)
      assert.equal(theirs.flat().length, 16)
    }
  } finally {
    serve.close()
    serve.closeAllConnections()
  }
})

test('another origin: the query says where a stream goes on', async (context, n) => {
  const asked = []
  const serve = http.createServer((req, res) => {
    asked.push([req.method, req.url, req.headers['last-event-id']])
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Access-Control-Allow-Origin': '*' })
    res.end('id: 7\u00e4\ndata: x\n\n')
  })
  await new Promise(done => serve.listen(0, '127.0.0.1', done))
  try {
    const page = await tab(context, { which: RECONNECT })
    await follow(page, `http://127.0.0.1:${serve.address().port}/x?a=b%20c`)
    await until(() => asked.length === 2, 'two requests')
    assert.deepEqual(asked,
      [['GET', '/x?a=b%20c', undefined], ['GET', '/x?a=b+c&lastEventId=7%C3%A4', undefined]])
  } finally {
    serve.close()
    serve.closeAllConnections()
  }
})

// ---- tabs ----

// What every tab must have heard in the end: the events of the topic, from where each began, once
// and in order.
const kept = async on => (await request(server, 'GET', `/history/${on}`)).body.trim().split('\n')
  .map(line => line.split(' '))
const said = async page =>
  (await events(page)).filter(text => text.startsWith('message:')).map(text => text.slice(8))
async function level(pages, on, skip = () => 0) {
  const all = (await kept(on)).map(([, data]) => data)
  for (const [i, page] of pages.entries()) {
    const want = all.slice(skip(i))
    await until(async () => (await said(page)).length >= want.length,
      async () => `tab ${i}: ${(await said(page)).length} of ${want.length}`)
    assert.deepEqual(await said(page), want, `tab ${i}`)
  }
}

// Publishes without end, a number every few ms, also while the server is away.
const flows = []
function flow(on, every_ms = 15) {
  const now = { sent: 0, stopped: false }
  now.over = (async () => {
    while (!now.stopped) {
      await request(server, 'POST', `/publish/${on}`, { body: String(now.sent++) })
        .catch(() => sleep(50))
      await sleep(every_ms)
    }
  })()
  now.stop = () => { now.stopped = true; return now.over }
  flows.push(now)
  return now
}

// A tab whose page was rendered with what was there: its stream begins after that.
async function late(context, on, tabs) {
  const page = await tab(context, { which: ALL }), past = await kept(on)
  await follow(page, `/stream/${on}?lastEventId=${past.at(-1)[0]}`)
  page.skip = past.length
  tabs.push(page)
  return page
}

// a secure context, and plain http as on a local network
for (const host of ['127.0.0.1', 'board.test'])
  test(`TABS: nine tabs are live with one stream, on ${host}`, async (context, n) => {
    const url = `http://${host}:${server.port}`, on = `greeted.${n}`
    for (const text of ['a', 'b', 'c', 'd']) await publish(on, text)
    const pages = await Promise.all(Array.from({ length: 9 },
      () => opened(context, { which: ALL }, `/stream/${on}?hello=1`, url)))
    await streams(1)
    for (const page of pages) {
      // each as a newcomer
      assert.deepEqual(await events(page),
        ['hello:you are in', 'message:b', 'message:c', 'message:d'])
      assert.equal(await status(page), 'open')
    }
    await publish(on, 'all')
    await publish(on, 'loose', 'loose=1&event=tick')
    for (const page of pages) {
      await hears(page, 'tick:loose', 1000)
      assert.deepEqual((await events(page)).slice(4), ['message:all', 'tick:loose'])
    }
    await Promise.all(pages.map(page => page.evaluate(() => window.source.close())))
    await streams(0)
  })

test('TABS: none misses an event or has one twice while tabs come, leave, reload and crash, ' +
    'and the server restarts', async (context, n) => {
  const on = `kept.${n}`, tabs = []
  await publish(on, 'first')
  const flowing = flow(on), take = i => tabs.splice(i, 1)[0]
  for (let i = 0; i < 5; i++) await late(context, on, tabs)
  await until(async () => (await server.stats()).streams === 1, 'one stream')
  await take(0).close() // the one that reads, most likely
  for (let i = 0; i < 3; i++) await late(context, on, tabs)
  await away('SIGTERM', 500)
  await late(context, on, tabs)
  const reloaded = take(0)
  await reloaded.reload()
  await follow(reloaded, `/stream/${on}?lastEventId=${(await kept(on)).at(-1)[0]}`)
  await sleep(1000)
  const crashed = take(1), crash = new Promise(done => crashed.once('crash', done))
  ;(await context.newCDPSession(crashed)).send('Page.crash').catch(() => {})
  await crash
  for (let i = 0; i < 2; i++) await late(context, on, tabs)
  await away('SIGTERM', 2000)
  await sleep(3000)
  await Promise.all(tabs.map(page => hears(page, `message:${flowing.sent}`)))
  await flowing.stop()
  await level(tabs, on, i => tabs[i].skip)
  await reloaded.close()
  await streams(1)
  for (const page of tabs) assert.deepEqual(page.errors, [])
}, 60000)

test('TABS: a tab that hangs, or that the browser froze, holds up nobody, ' +
    'and is level when it goes on', async (context, n) => {
  const on = `kept.${n}`, tabs = []
  await publish(on, 'first')
  const flowing = flow(on, 100)
  const leader = await late(context, on, tabs)
  await until(() => leader.evaluate(() => window.source._feed.leads), 'a leader')
  for (let i = 0; i < 4; i++) await late(context, on, tabs)
  await streams(1)
  const thawed =
    leader.evaluate(() => { for (const end = Date.now() + 9000; Date.now() < end;) {} })
  await sleep(100)
  const number = flowing.sent + 5, frozen = Date.now()
  for (const page of tabs.slice(1)) await hears(page, `message:${number}`, 7000)
  const took = Date.now() - frozen
  await thawed
  assert(took > 1000, 'it did hang')
  await hears(leader, `message:${number}`)
  await until(() => leader.evaluate(() => !window.source._feed.leads), 'another leader')
  await flowing.stop()
  await level(tabs, on, i => tabs[i].skip)
  await streams(1)
}, 30000)

test('TABS: all say at once that the server is away, and are back within 3 s',
    async (context, n) => {
  const on = `short.${n}`, pages = []
  for (let i = 0; i < 9; i++) pages.push(await opened(context, { which: ALL }, `/stream/${on}`))
  await publish(on, 'before')
  for (const page of pages) await hears(page, 'message:before')
  await streams(1)
  const gone = away('SIGKILL', 8000)
  for (const page of pages) await shows(page, 'connecting', 2000)
  await gone
  await publish(on, 'after')
  for (const page of pages) {
    await hears(page, 'message:after', BACK)
    await shows(page, 'open', 1000)
    // The history was in memory: each is told of the gap, and then of all there is.
    assert.deepEqual(await events(page),
      ['message:before', 'gap:{"reason":"unknown"}', 'message:after'])
  }
}, 30000)

test('TABS: tabs that were opened while the server was away, and more than six',
    async (context, n) => {
  const on = `kept.${n}`, pages = []
  for (let i = 0; i < 9; i++) pages.push(await tab(context, { which: ALL }))
  await publish(on, 'first')
  const gone = away('SIGTERM', 3000)
  await until(async () => !await answers(server.port), 'the end')
  for (const page of pages) await follow(page, `/stream/${on}`)
  await gone
  for (const page of pages) await shows(page, 'open', BACK + 5000)
  await streams(1)
  await publish(on, 'second')
  for (const page of pages) await hears(page, 'message:second')
}, 30000)

test('TABS: 204 is the end for all', async (context, n) => {
  const pages = []
  for (let i = 0; i < 3; i++) pages.push(await opened(context, { which: ALL }, `/stream/kept.${n}`))
  await streams(1)
  await refuse(204, 100)
  await request(server, 'POST', '/end')
  for (const page of pages) await shows(page, 'closed')
  const { asked } = await server.stats()
  await sleep(2500)
  assert.equal((await server.stats()).asked, asked)
})

test('TABS: after a restart tabs that come later share the stream as well, though nothing is said',
    async (context, n) => {
  const on = `kept.${n}`, tabs = []
  await publish(on, 'first')
  for (let i = 0; i < 2; i++) await late(context, on, tabs)
  await publish(on, 'second')
  for (const page of tabs) await hears(page, 'message:second')
  await away('SIGTERM', 100)
  for (const page of tabs) await shows(page, 'open')
  for (let i = 0; i < 7; i++) await late(context, on, tabs)
  await until(async () => (await server.stats()).streams === 1, 'one stream')
  await sleep(3000) // a leader that has nothing to say is still one
  const { opened } = await server.stats()
  await sleep(3000)
  assert.equal((await server.stats()).opened, opened)
  for (const page of tabs) await shows(page, 'open')
  await publish(on, 'third')
  await level(tabs, on, i => tabs[i].skip)
}, 30000)
