#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Nine tabs of each example, by plain HTTP, in Chromium and Firefox, which have six connections to
// a server: whichever is looked at is live, and where all share a stream each line is in all, once.
// BROWSERS=chromium,firefox; DATASTAR_JS=file: chat and life on that client as well; SLOW=1: all
// examples in Firefox, too, not one of each kind.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before } from 'node:test'
import { Redis } from '../wire/redis.mjs'
import { request, Server, sleep, test, until } from '../wire/wire.mjs'
import { launch_firefox } from './browser.mjs'
import { asked, bring_to_front, clients, open, post, talkers, user } from './examples.mjs'

const kinds = (process.env.BROWSERS ?? 'chromium,firefox').split(',')
let redis, firefox
before(async () => {
  redis = await Redis.start() // which cluster needs
  if (kinds.includes('firefox')) firefox = await launch_firefox()
})
after(async () => {
  await firefox?.close()
  redis.kill()
})

// ---- what happens in each example ---------------------------------------------------------------
const send = (server, target, fields = {}) => request(server, 'POST', target, { agent: false,
  body: new URLSearchParams(fields).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })
const put = (server, name, text) => writeFileSync(path.join(server.dir, name), text)
const by_page = (page, target, fields) => page.evaluate(async ([target, fields]) =>
  (await fetch(target, { method: 'POST', body: new URLSearchParams(fields) })).status,
  [target, fields])

let lines = 0
const line = () => `line ${++lines}.` // no two tests have the same, as the Redis is one for all
const say = (program, talker) => ({ shared: program !== 'chat', hides: program === 'chat',
  async tell(server) {
    const text = line()
    await post(server, talker, text)
    return text
  } })

const write = server => {
  const text = line()
  server.child.stdin.write(`${text}\n`)
  return text
}

// hides: its stream closes while nobody looks, so that the others have the connections. tell():
// something happens; returns what the page shows then; nothing: anything else than before.
const examples = {
  ...Object.fromEntries(Object.entries({ ...talkers, cluster: { url: '/', field: 'text' } })
    .map(([program, talker]) => [program, say(program, talker)])),
  life: { hides: true, at: '#board', tell() {} },
  sensor: { at: '#age', async tell(server, page) {
    await page.evaluate(() => { document.getElementById('age').textContent = '' })
  } },
  numbers: { at: 'output', tell() {} },
  processes: { early: true, tell: async (server, page, i) => {
    await send(server, `/press?key=${i}`)
    return text => text.split('taken by').length === i + 2
  } },
  tabs: { early: true, at: '#presses', tell: async (server, page, i) => {
    await send(server, '/press?script')
    return `${i + 1}`
  } },
  ssecat: { input: 'pipe', shared: true, tell: write },
  embed: { input: 'pipe', hides: true, tell: write },
  progress: { hides: true, tell: async (server, page, i) => {
    await send(server, '/start', { below: `${1000 + i}` })
    return `168 below ${1000 + i}`
  } },
  weather: { hides: true, args: ['cat now.json', '1'], tell(server, page, i) {
    put(server, 'now.json', JSON.stringify({
      current: { temperature_2m: 10 + i, wind_speed_10m: 1, weather_code: 0 } }, null, 2))
    return `${10 + i}.0`
  } },
  board: { hides: true, args: ['-t', 'temp', '-i', '100'], tell(server, page, i) {
    put(server, 'temp', `${10 + i}300\n`)
    return `${10 + i}.3`
  } },
  tested: { hides: true, at: '#clock', tell: async (server, page, i) => {
    await send(server, '/start', { minutes: `${10 + i}` })
    return RegExp(`^(${10 + i}|${9 + i}):`)
  } },
  files: { hides: true, tell(server, page, i) {
    put(server, 'index.html', `<p>for tab ${i}`)
    return `for tab ${i}`
  } },
  todo: { hides: true, enter: ['/join', { name: 'ann', password: 'open sesame' }],
    tell: async (server, page, i) => {
      await by_page(page, '/todo', { title: `for tab ${i}` })
      return `for tab ${i}`
    } },
  kanban: { hides: true, enter: ['/name', { name: 'Ann' }], tell: async (server, page, i) => {
    await by_page(page, '/b/team/cards', { title: `for tab ${i}` })
    return `for tab ${i}`
  } },
}

// ---- tabs ---------------------------------------------------------------------------------------
// A user's tabs: open(url), look_at(page), close().
const users = {
  async chromium() {
    const context = await user(), tabs = []
    return {
      async open(url) {
        await bring_to_front(tabs) // the new one will be
        tabs.push(await open(context, url))
        return tabs.at(-1)
      },
      look_at: page => bring_to_front(tabs, page),
      close: () => context.close(),
    }
  },
  async firefox() {
    const context = await firefox.createBrowserContext()
    return {
      async open(url) {
        const page = await context.newPage()
        page.errors = []
        page.on('pageerror', error => page.errors.push(String(error)))
        await page.goto(url)
        return page
      },
      look_at: page => page.bringToFront(),
      close: () => context.close(),
    }
  },
}

const text_of = (page, at = 'body') => page.evaluate(at => at === '#board'
  ? [...document.querySelectorAll('#board i')].map(cell => cell.className[1]).join('')
  : document.querySelector(at)?.innerText ?? '', at)
  .catch(() => '') // it is being loaded anew
const has = (text, wanted) => typeof wanted === 'function' ? wanted(text)
  : wanted instanceof RegExp ? wanted.test(text) : text.includes(wanted)
const in_firefox = ['chat', 'life', 'progress', 'ssecat', 'tabs']
const seen_in = kind => kind === 'firefox' && !process.env.SLOW ? in_firefox : Object.keys(examples)
const clients_of = program => ['chat', 'life'].includes(program) ? clients : ['']

for (const kind of kinds) for (const program of seen_in(kind))
  for (const client of clients_of(program)) test(
      `${kind}: nine tabs of ${program}${client && ' with ' + path.basename(client)}`, async t => {
    if (kind === 'firefox' && !firefox) return t.skip('without firefox')
    const { args, input, hides, shared, at, enter, tell } = examples[program]
    const server = await Server.start(program,
      { args, input, env: { DATASTAR_JS: client, REDIS: redis.sock } })
    if (program === 'files') put(server, 'index.html', '<p>nothing')
    const { open: open_tab, look_at, close } = await users[kind](), tabs = []
    for (let i = 0; i < 9; i++) {
      tabs.push(await open_tab(server.url))
      if (i || !enter) continue
      await by_page(tabs[0], ...enter)
      await tabs[0].goto(server.url)
    }
    const told = []
    for (const [i, tab] of tabs.entries()) {
      if (hides) await look_at(tab)
      const before = program === 'sensor' ? '' : await text_of(tab, at)
      const wanted = await tell(server, tab, i)
      told.push(wanted)
      await until(async () => has(await text_of(tab, at), wanted ?? (text => text !== before)),
        async () =>
          `tab ${i} to follow: ${wanted ?? 'another'}: ${(await text_of(tab, at)).slice(0, 500)}`)
    }
    if (shared) for (const [i, tab] of tabs.entries()) for (const text of told)
      await until(async () => (await text_of(tab)).split(text).length === 2,
        async () => `"${text}" in tab ${i}, once: ${await text_of(tab)}`)
    for (const tab of tabs) assert.deepEqual(tab.errors, [])
    await close()
    await server.stops()
  }, 60000)

// A page is rendered, and its stream opened later: by a seventh tab, or as the network is slow.
for (const [program, { args, input, shared, early, at, tell }] of Object.entries(examples))
  if (shared || early) test(`${program}: an empty page misses nothing before it is connected`,
      async () => {
    const server = await Server.start(program, { args, input, env: { REDIS: redis.sock } })
    const context = await user(), page = await context.newPage()
    let release
    const released = new Promise(done => { release = done })
    await page.route(/\/(feed|events)\b/, async route => { await released; route.continue() })
    await page.goto(server.url)
    const wanted = await tell(server, page, 0)
    await sleep(300)
    assert(!has(await text_of(page, at), wanted), 'the stream waits')
    release()
    await until(async () => has(await text_of(page, at), wanted), `${wanted}`)
    await context.close()
    await server.stops()
  })

test('no page asked for anything from another host', () => assert.deepEqual(asked, []))
