#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Pages that never die: every client there is, on every way to the server, comes back after all
// that may end its stream. One page a browser has a frame for each client on each way, so that each
// thing has to happen once only. BROWSERS=chromium,firefox; DATASTAR_JS=file: the real Datastar
// client, too; SLOW=1: away for 300 s as well.
import assert from 'node:assert/strict'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, before } from 'node:test'
import { free_port, request, root, Server, sleep, test, until } from '../wire/wire.mjs'
import { launch_whole, launch_firefox, visit } from './browser.mjs'
import { caddy, caddy_site, nginx, nginx_site, programs } from './proxies.mjs'

const { EventSource } = createRequire(path.join(root, 'build/node/'))('eventsource')
const BACK_MS = 6000 // a page should be back within 3 s; other work on the machine takes its time

// ---- who ----------------------------------------------------------------------------------------
const real = process.env.DATASTAR_JS && path.resolve(process.env.DATASTAR_JS)
const in_pages =
  ['eventsource', 'scripts', 'htmx2', 'htmx4', 'fetch-event-source', 'datastar', 'datastar-follow',
  ...real ? ['real', 'real-follow'] : []]

// What sse.h promises: its own attributes and scripts bring a page back whatever happened. A bare
// client may give up when a proxy answers 502 for a server that is away, and after an end that was
// meant.
const is_follower = client => client === 'scripts' || client.endsWith('-follow')
const is_ended_by_an_end = client => ['datastar', 'real', 'fetch-event-source'].includes(client)

// Caddy before 2.8 ends well whatever broke off behind it:
// https://github.com/caddyserver/caddy/issues/5951
const sees_breaks = seat =>
  !(is_ended_by_an_end(seat.client) && seat.way.startsWith('caddy')) || undefined

// ---- by which way -------------------------------------------------------------------------------
// A browser opens six HTTP/1.1 connections to a host: there each client has a host of its own.
const ways = {}
const own_host = port => client => `http://${client}.localhost:${port}`
const one_host = port => () => `https://localhost:${port}`
let server, proxies = []

async function open_ways() {
  const [by_default, kept, secure, caddy_plain, caddy_secure, ...redirects] =
    await Promise.all(Array.from({ length: 7 }, free_port))
  const app = `127.0.0.1:${server.port}`
  proxies.push(await nginx(by_default,
    `server { listen 127.0.0.1:${by_default}; location / { proxy_pass http://${app}; } }`))
  proxies.push(await nginx(kept,
    nginx_site(app, { port: kept, redirects: redirects[0], tls: false })))
  proxies.push(await nginx(secure, nginx_site(app, { port: secure, redirects: redirects[1] })))
  Object.assign(ways, { direct: own_host(server.port), nginx: own_host(by_default) })
  Object.assign(ways, { 'nginx-kept': own_host(kept), 'nginx-h2': one_host(secure) })
  if (!programs.caddy && !process.env.CI) return
  proxies.push(await caddy(caddy_plain, caddy_site(app, { port: caddy_plain, tls: false }) +
    caddy_site(app, { port: caddy_secure })))
  Object.assign(ways, { caddy: own_host(caddy_plain), 'caddy-h2': one_host(caddy_secure) })
}

const port_of = way => Number(/\d+$/.exec(ways[way]('x')))

// ---- seats --------------------------------------------------------------------------------------

// A seat is a client in a browser on a way. Each knows what it has shown: [text, when]; the text is
// "start.count".
const pages = {}, browsers = [], by_node = {}, sources = {}
let seats

const url_of = seat => `${ways[seat.way](seat.client)}/frame/${seat.client}?name=${seat.name}`

function listen_in_node(name, way) {
  const base = ways[way]('x').replace(/[^/]*localhost/, '127.0.0.1')
  sources[name]?.close()
  sources[name] = new EventSource(`${base}/feed/${name}?for=node`)
  sources[name].onmessage = ({ data }) => (by_node[name] ??= []).push([data, Date.now()])
}

async function take(seat) { // anew, if it has given up
  if (seat.browser === 'node') return listen_in_node(seat.name, seat.way)
  await pages[seat.browser].evaluate(([name, url]) => {
    document.getElementById(name)?.remove()
    window.add(name, url)
  }, [seat.name, url_of(seat)])
}

async function shown() { // by seat: the list of what it has shown
  const all = await Promise.all(Object.values(pages).map(page => page.evaluate(() => window.seen)))
  return Object.assign(structuredClone(by_node), ...all)
}

const parts = text => text.split('.').map(Number)
const since = (list, goal) => list?.find(([text]) => goal(...parts(text)))

// Who is not there takes its seat again.
async function all_seated() {
  const missing = seats.filter(seat => !seat.there), were = await shown()
  for (const seat of missing) await take(seat)
  let now
  const still = () =>
    missing.filter(seat => (now[seat.name]?.length ?? 0) === (were[seat.name]?.length ?? 0))
  await until(async () => { now = await shown(); return !still().length },
    () => still().map(seat => seat.name).join(', '))
  seats.forEach(seat => { seat.there = true })
}

// What happens to all at once. happens() answers from when on they can be back; goal(was) answers
// how their next text looks. must(seat): true: is back; false: is not; undefined: as it likes.
// Prints who took how long, in seconds.
async function survives({ happens, goal, from, must = sees_breaks, wait_ms = BACK_MS }) {
  await all_seated()
  const were = await shown()
  const was = seat => parts(were[seat.name].at(-1)[0])
  const start = await happens()
  const reached = (all, seat) =>
    since(all[seat.name].slice(were[seat.name].length), goal(...was(seat)))
  let all
  for (const end = start + wait_ms + 1000; Date.now() < end; await sleep(50)) {
    all = await shown()
    if (seats.every(seat => must(seat) !== false && reached(all, seat))) break
  }
  for (const seat of seats) {
    const [, at] = reached(all, seat) ?? []
    seat.there = at !== undefined
    seat.took = seat.there
      ? at - (from?.(all[seat.name].slice(were[seat.name].length), was(seat)) ?? start) : Infinity
  }
  for (const line of table(seat => seat.there ? (seat.took / 1000).toFixed(1) : '-'))
    console.error(`# ${line}`)
  const list = chosen => chosen.map(seat => `${seat.name} (${seat.took} ms)`).join(', ')
  const late = seats.filter(seat => must(seat) === true && !(seat.took < wait_ms))
  const undead = seats.filter(seat => must(seat) === false && seat.there)
  assert.equal(list(late), '', `${late.length} of ${seats.length} are not back`)
  assert.equal(list(undead), '', 'those whose end it was are not back')
}

function table(cell) {
  const columns = Object.keys(ways), lines = [['', ...columns]]
  const row_of = seat => `${seat.browser} ${seat.client}`
  for (const row of new Set(seats.map(row_of)))
    lines.push([row,
      ...columns.map(way => cell(seats.find(seat => row_of(seat) === row && seat.way === way)))])
  return lines.map(([row, ...cells]) => row.padEnd(28) +
    cells.map(text => text.padStart(11)).join(''))
}

// ---- and what happens ---------------------------------------------------------------------------
const post = target => request(server, 'POST', target)
let boot = 0

async function restarts(signal, away_ms) {
  await server.restart(signal, { away_ms, env: { BOOT: String(++boot) } })
  return Date.now()
}

before(async () => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0' // the certificates are our own
  server = await Server.start('asan/alive',
    { args: [path.join(root, 'build/node/node_modules'), ...real ? [real] : []] })
  await open_ways()
  const wanted = (process.env.BROWSERS ?? 'chromium,firefox').split(',')
  if (wanted.includes('chromium')) {
    const chromium = await launch_whole('--ignore-certificate-errors',
      '--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP localhost 127.0.0.1',
      '--disable-features=IsolateOrigins,site-per-process', '--disable-site-isolation-trials')
    browsers.push(chromium)
    pages.chromium = await visit(chromium, server.url, { width: 1000, height: 800 })
  }
  const firefox = wanted.includes('firefox') && await launch_firefox()
  if (firefox) {
    browsers.push(firefox)
    pages.firefox = await firefox.newPage()
    await pages.firefox.goto(server.url)
  }
  const places = [...Object.keys(pages)
    .flatMap(browser => in_pages.map(client => [browser, client])), ['node', 'eventsource']]
  seats = places.flatMap(([browser, client]) =>
    Object.keys(ways).map(way => ({ browser, client, way, name: `${browser}.${way}.${client}` })))
})

// The server first: its end ends also what a source of node 18 that is closed still reads.
after(async () => {
  Object.values(sources).forEach(source => source.close())
  for (const browser of browsers) await browser.close()
  await server?.stops()
  for (const proxy of proxies) await proxy.stop()
})

test('2,000 POSTs, every other one opens a stream that ends: none fails', async () => {
  for (const way of Object.keys(ways).filter(way => !way.endsWith('h2'))) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
    await Promise.all(Array.from({ length: 2000 }, async (_, i) => {
      const target = i % 2 ? '/brief' : '/plain'
      const failed = error => ({ status: error.code, body: `${error}` })
      const reply = await request({ port: port_of(way) }, 'POST', target, { agent, body: '{}' })
        .catch(failed)
      assert.deepEqual([reply.status, reply.body], [200, i % 2 ? 'data: one\n\n' : 'ok'],
        `${target}, the ${i}th, ${way}`)
    }))
    agent.destroy()
  }
})

for (const [target, what] of [['/cut', 'too slow'], ['/come-back', 'told to by the program']])
  test(`${what}: all come back`, async () => {
    const happens = async () => { await post(target); return Date.now() }
    await survives({ happens, goal: (start, count) => (_, now) => now > count })
  }, 60000)

test('the end of a lifetime: all come back', async () => {
  // who comes back then has 300 ms
  const happens = async () => { await post('/cut?lives=1'); return Date.now() }
  const from = (list, [, count]) => since(list, (_, now) => now > count)[1] + 300
  await survives(
    { happens, from, goal: (start, count) => (_, now) => now > count + 1, wait_ms: 2 * BACK_MS })
  assert((await server.stats()).by_lifetime >= seats.filter(sees_breaks).length)
})

const after_502 = seat => seat.way === 'direct' || is_follower(seat.client) || undefined

// Those at the end of the queue are sent away without a word, which a proxy makes a 502 of.
test('no room: all come back once there is', async () => {
  const { refused } = await server.stats(), full_ms = 3000
  const happens = async () => { await post(`/full?ms=${full_ms}`); return Date.now() + full_ms }
  await survives({ happens, must: after_502, goal: (start, count) => (_, now) => now > count })
  assert((await server.stats()).refused > refused, 'some were refused')
})

for (const [signal, what] of [['SIGTERM', 'a graceful stop'], ['SIGKILL', 'a crash']])
  test(`${what}, and 2 s until the server is there again: all come back`, async () => {
    await survives(
      { happens: () => restarts(signal, 2000), must: after_502, goal: start => now => now > start })
  })

test('the program ends them: who asks again by nature comes back, Datastar only if told to',
    async () => {
  const happens = async () => { await post('/end'); return Date.now() }
  const must = seat => !is_ended_by_an_end(seat.client)
  await survives({ happens, must, goal: (start, count) => (_, now) => now > count })
})

if (process.env.SLOW) test('300 s away: followers come back', async () => {
  const must = seat => is_follower(seat.client) || undefined
  await survives(
    { happens: () => restarts('SIGTERM', 300000), must, goal: start => now => now > start })
}, 400000)
