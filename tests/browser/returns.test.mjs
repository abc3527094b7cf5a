#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The pages of chat and life as they are, in Chromium and Firefox, on the built-in client and on
// the one that DATASTAR_JS names, by every way to the server: back after all that may end a stream,
// with each line that was typed, once. One page a browser has a frame for each way. BROWSERS=...,
// SLOW=1: as alive.test.mjs has it.
import assert from 'node:assert/strict'
import net from 'node:net'
import path from 'node:path'
import { after, before } from 'node:test'
import { free_port, request, Server, sleep, test, until } from '../wire/wire.mjs'
import { launch_whole, launch_firefox, visit } from './browser.mjs'
import { caddy, caddy_site, nginx, nginx_site, programs } from './proxies.mjs'

const clients = ['', ...process.env.DATASTAR_JS ? [path.resolve(process.env.DATASTAR_JS)] : []]
const kinds = (process.env.BROWSERS ?? 'chromium,firefox').split(',')

// ---- ways to a server ---------------------------------------------------------------------------
// A line of 20 kbit/s, 300 ms long.
async function slow_line(port) {
  const BYTES_PER_S = 2500, LATENCY_MS = 300, sockets = new Set()
  const pour = (from, to) => {
    let free_at = 0
    from.on('data', chunk => {
      free_at = Math.max(free_at, Date.now()) + chunk.length * 1000 / BYTES_PER_S
      setTimeout(() => to.write(chunk), free_at + LATENCY_MS - Date.now())
    })
    from.on('error', () => {}).on('close',
      () => setTimeout(() => to.destroy(), Math.max(free_at - Date.now(), 0) + LATENCY_MS))
    sockets.add(from)
  }
  const listener = net.createServer(client => {
    const server = net.connect(port, '127.0.0.1')
    pour(client, server)
    pour(server, client)
  })
  await new Promise(done => listener.listen(0, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${listener.address().port}`, stop: () => {
    listener.close()
    sockets.forEach(socket => socket.destroy())
  } }
}

async function ways_to({ port, url }) { // { urls: by name, stop }
  const [plain, kept, secure, caddy_plain, caddy_secure, ...redirects] =
    await Promise.all(Array.from({ length: 7 }, free_port))
  const app = `127.0.0.1:${port}`
  const urls = { direct: url, nginx: `http://127.0.0.1:${plain}`,
    'nginx-kept': `http://localhost:${kept}`, 'nginx-h2': `https://localhost:${secure}` }
  const proxies = [await nginx(plain,
    `server { listen 127.0.0.1:${plain}; proxy_set_header Host $http_host; # else a POST is refused
      location / { proxy_pass http://${app}; } }`)]
  proxies.push(await nginx(kept,
    nginx_site(app, { port: kept, redirects: redirects[0], tls: false })))
  proxies.push(await nginx(secure, nginx_site(app, { port: secure, redirects: redirects[1] })))
  if (programs.caddy || process.env.CI) {
    proxies.push(await caddy(caddy_plain, caddy_site(app, { port: caddy_plain, tls: false }) +
      caddy_site(app, { port: caddy_secure })))
    urls.caddy = `http://localhost:${caddy_plain}`
    urls['caddy-h2'] = `https://localhost:${caddy_secure}`
  }
  return { urls, stop: async () => { for (const proxy of proxies) await proxy.stop() } }
}

// ---- browsers -----------------------------------------------------------------------------------
const browsers = {}
before(async () => {
  if (kinds.includes('chromium'))
    browsers.chromium = await launch_whole('--ignore-certificate-errors',
      '--host-resolver-rules=MAP localhost 127.0.0.1',
      '--disable-features=IsolateOrigins,site-per-process', '--disable-site-isolation-trials')
  if (kinds.includes('firefox')) browsers.firefox = await launch_firefox()
})
after(async () => {
  for (const browser of Object.values(browsers)) await browser?.close()
})

// A page with a frame for each way: [{ kind, way, frame }].
async function open_frames(kind, server, urls) {
  const browser = browsers[kind], home = `${server.url}/stats`
  const page = kind === 'chromium' ? await visit(browser, home, { width: 1300, height: 900 })
    : await browser.newPage()
  if (kind === 'chromium') await page.emulateMedia({ reducedMotion: 'reduce' })
  else await page.goto(home)
  await page.evaluate(urls => {
    document.body.textContent = ''
    for (const [name, url] of urls) {
      const frame = document.body.appendChild(document.createElement('iframe'))
      frame.style = 'width: 60px; height: 30px; border: 0'
      frame.name = name
      frame.src = url
    }
  }, Object.entries(urls))
  const seats = await Promise.all(Object.entries(urls).map(async ([way, url]) => {
    const frame = await until(() => page.frames().find(frame => frame.url() === `${url}/`),
      `the frame of ${way} in ${kind}`)
    await until(() => frame.evaluate(() => document.readyState === 'complete'), 'its page')
    const seat = { kind, way, frame, name: `${kind} ${way}` }
    await watch(seat)
    return seat
  }))
  return { seats, close: () => kind === 'chromium' ? page.context().close() : page.close() }
}

// ---- what a page shows --------------------------------------------------------------------------
// Each page notes when it showed a line first, and when its board last changed.
// Boards are followed and not drawn: 2,500 elements keep a machine busy.
const watch = ({ frame }) => frame.evaluate(() => {
  document.head.append(Object.assign(document.createElement('style'),
    { textContent: '#board { display: none !important }' }))
  window.noted = { lines: {}, board: 0 }
  const note = changes => {
    for (const { textContent } of document.querySelectorAll('#feed p'))
      window.noted.lines[textContent] ??= Date.now()
    if (changes.some(({ target }) => target.closest?.('#board'))) window.noted.board = Date.now()
  }
  note([])
  new MutationObserver(note).observe(document.body,
    { subtree: true, childList: true, attributes: true, characterData: true })
})

const shown = ({ frame }) => frame.evaluate(() => ({
  lines: [...document.querySelectorAll('#feed p')].map(line => line.textContent).reverse(),
  noted: window.noted,
  waits: document.getElementById('queue')?.textContent.trim() ?? '',
  draft: document.querySelector('input')?.value,
  away: Boolean(document.getElementById('trouble')?.checkVisibility()),
}))

// As a person does, but for the keys: a frame may not have the focus.
const type = ({ frame }, text) => frame.evaluate(text => {
  const input = document.querySelector('input')
  input.value = text
  input.dispatchEvent(new Event('input', { bubbles: true }))
  input.form.requestSubmit()
}, text)

// Waits until all have it: has() is truthy. Returns what it returned, of each.
async function all_have(seats, has, what) {
  const got = new Map()
  const look = async seat => {
    const value = has(await shown(seat))
    if (value) got.set(seat, value)
  }
  await until(async () => {
    await Promise.all(seats.filter(seat => !got.has(seat)).map(look))
    return got.size === seats.length
  }, () => `${what}: ${seats.filter(seat => !got.has(seat)).map(seat => seat.name)}`, 150000)
  return got
}

// ---- programs -----------------------------------------------------------------------------------
let serial = 0
const say = (server, text) =>
  request(server, 'POST', '/say', { body: JSON.stringify({ text, key: `own ${++serial}` }),
    headers: { 'Content-Type': 'application/json', 'Datastar-Request': 'true' } })

// When each page had a line that was said just now, or a board of now.
const life_of = {
  async chat(server, seats, start, what) {
    const text = `live ${++serial}`
    await until(async () => (await say(server, text).catch(() => ({}))).status === 204, 'room')
    return all_have(seats, ({ noted, away }) => !away && noted.lines[text], what)
  },
  life: (server, seats, start, what) => all_have(seats,
    ({ noted, away }) => !away && noted.board > start && noted.board, what),
}

// start: since when it can be.
async function all_live(server, seats, start, what) {
  const since = await life_of[path.basename(server.program)](server, seats, start, what)
  const worst = Math.max(...since.values()) - start
  console.error(`# ${what}: ${seats.length} pages live after ${worst} ms at most`)
}

const typed = new Map() // by seat: all lines that were typed in it, in order
async function type_two(seats) {
  for (const seat of seats) {
    const two = [1, 2].map(() => `${seat.name} ${++serial}`)
    for (const text of two) await type(seat, text)
    typed.set(seat, [...typed.get(seat) ?? [], ...two])
  }
}
async function nothing_is_lost(server, seats) {
  await all_have(seats, ({ waits }) => !waits, 'all to be sent')
  const { body } = await request(server, 'GET', '/')
  const rows = [...body.matchAll(/<p id="m\d+">(.*?)<\/p>/g)].map(([, text]) => text).reverse()
  for (const seat of seats) { // the page has the last fifty lines of all
    const mine = rows.filter(text => text.startsWith(`${seat.name} `))
    assert.deepEqual(mine, typed.get(seat).slice(-mine.length), seat.name)
    assert(mine.length >= 2, `${seat.name}: ${mine}`)
  }
}

const stops = [['SIGTERM', 2000], ['SIGKILL', 2000]]
if (process.env.SLOW) stops.push(['SIGTERM', 300000])
// Boards by one browser after the other.
const rounds = clients.flatMap(client => [['chat', client, kinds],
  ...kinds.map(kind => ['life', client, [kind]])])
for (const [program, client, chosen] of rounds) test(
    `${program}${client && ' with ' + path.basename(client)}, ${chosen}: ` +
    'back by every way, and nothing is lost', async t => {
  const server = await Server.start(`asan/${program}`,
    { env: { DATASTAR_JS: client, ROOM: '150' } })
  const { urls, stop } = await ways_to(server)
  const opened = []
  try {
    if (program === 'life')
      for (const way of Object.keys(urls)) if (!/direct|h2/.test(way)) delete urls[way]
    for (const kind of chosen) {
      if (browsers[kind]) opened.push(await open_frames(kind, server, urls))
      else t.diagnostic(`without ${kind}`)
    }
    const seats = opened.flatMap(({ seats }) => seats), chat = program === 'chat'
    await all_live(server, seats, Date.now(), program)
    for (const [signal, ms] of stops) {
      await server.restart(signal, { meanwhile: async () => {
        const until_ms = Date.now() + ms
        await all_have(seats, ({ away }) => away, 'the mark of a break')
        if (chat) await type_two(seats)
        await sleep(until_ms - Date.now())
      } })
      await all_live(server, seats, Date.now(), `${signal}, and ${ms / 1000} s`)
      if (chat) await nothing_is_lost(server, seats)
    }
    // Streams that do not live long, and then for a while no room for the next ones.
    await server.restart('SIGTERM', { env: { LIFETIME_MS: '2500' } })
    await all_live(server, seats, Date.now(), 'a restart')
    const { by_lifetime } = await server.stats()
    await until(async () => (await server.stats()).by_lifetime >= by_lifetime + seats.length,
      'the end of many a lifetime')
    await all_live(server, seats, Date.now(), 'lifetimes')
    await request(server, 'POST', '/full?ms=8000')
    const free = Date.now() + 8000
    await until(async () =>
      (await request(server, 'GET', '/stats', { agent: false })).status === 503, 'no room')
    await until(async () => (await Promise.all(seats.map(shown))).every(({ away }) => away),
      'the mark of a break on all pages')
    if (chat) await type_two(seats)
    await sleep(free - Date.now())
    await all_live(server, seats, Date.now(), 'no room')
    if (chat) await nothing_is_lost(server, seats)
  } finally {
    for (const { close } of opened) await close()
    await stop()
  }
  await server.stops()
}, process.env.SLOW ? 700000 : 400000)

for (const client of clients) test(
    `chat${client && ' with ' + path.basename(client)}: five lines within 600 ms on a slow line`,
    async () => {
  const server = await Server.start('asan/chat', { env: { DATASTAR_JS: client } })
  const line = await slow_line(server.port)
  for (const kind of kinds.filter(kind => browsers[kind])) {
    const { seats, close } = await open_frames(kind, server, { [kind]: line.url })
    await life_of.chat(server, seats, Date.now(), 'the slow line')
    const five = [1, 2, 3, 4, 5].map(i => `${kind} ${i}`)
    for (const text of five) { await type(seats[0], text); await sleep(120) }
    await all_have(seats, ({ waits, lines }) => !waits && lines.includes(five[4]), 'the last line')
    assert.deepEqual((await shown(seats[0])).lines.filter(text => text.startsWith(kind)), five)
    await close()
  }
  line.stop()
  await server.stops()
}, 60000)
