// What the tests of the examples' pages share. Datastar pages run on the client that is built in
// and, where DATASTAR_JS names it, on the real one.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before } from 'node:test'
import { request, Server, sleep, until } from '../wire/wire.mjs'
import { launch } from './browser.mjs'

export const clients = process.env.DATASTAR_JS ? ['', path.resolve(process.env.DATASTAR_JS)] : ['']
export const asked = [] // of other hosts
export let browser
before(async () => { browser = await launch() })
after(() => browser?.close())

// A user: a context whose pages reach nothing but this machine.
export async function user({ js = true, scheme = 'light', width = 390, height = 844 } = {}) {
  const context = await browser.newContext({ javaScriptEnabled: js, colorScheme: scheme,
    reducedMotion: 'reduce', viewport: { width, height } })
  await context.route(url => url.hostname !== '127.0.0.1', route => {
    asked.push(route.request().url())
    return route.abort()
  })
  return context
}

// A page; what goes wrong in it collects in .errors, but for what the network does while the server
// is away.
export async function open(context, url) {
  const page = await context.newPage()
  page.errors = []
  page.on('pageerror', error => page.errors.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text()))
      page.errors.push(message.text())
  })
  await page.goto(url)
  return page
}

// Five times a second life shows 2,500 cells, which a page on a busy machine never catches up with:
// it stands still for most of the time, until this is called.
export function slowed(server) {
  let tick = 0
  const timer = setInterval(() => {
    tick = (tick + 1) % 8
    if (tick < 2) server.child.kill(tick ? 'SIGSTOP' : 'SIGCONT')
  }, 250)
  return () => {
    clearInterval(timer)
    server.child.kill('SIGCONT')
  }
}

// Starts an example, opens it, does something, and looks whether the page and the server were well
// all along.
export async function with_page(program, { client = '', ...options }, fn) {
  const server = await Server.start(program, { env: { DATASTAR_JS: client } })
  const as_ever = program === 'life' ? slowed(server) : () => {}
  const context = await user(options)
  const page = await open(context, server.url)
  await fn(page, server, context)
  assert.deepEqual(page.errors, [])
  await context.close()
  as_ever()
  await server.stops()
}

// Pages in which people say something: what is shown, the oldest first, and what waits.
export const talkers = {
  chat: { lines: '#feed p', newest_first: true, scroller: '#feed', url: '/say', field: 'text' },
  rooms: { lines: '#log p', scroller: '#log', url: '/', field: 'text' },
  outbox: { lines: '#log li', url: '/order', field: 'item' },
}
export const shown = async (page, { lines, newest_first }) => {
  const texts = await page.$$eval(lines,
    all => all.map(line => line.lastChild.textContent.replace(/^ordered: /, '')))
  return newest_first ? texts.reverse() : texts
}
export async function shows(page, talker, ...texts) {
  let now
  await until(async () => (now = await shown(page, talker)).length >= texts.length,
    () => `${texts} in ${now}`)
  await sleep(150)
  assert.deepEqual(await shown(page, talker), texts)
}
export async function type(page, text) {
  await page.fill('input', text)
  await page.keyboard.press('Enter')
}
// without a script
export const submit = (page, text) => Promise.all([page.waitForNavigation(), type(page, text)])
export const waiting = async page =>
  (await page.isVisible('#queue')) ? (await page.innerText('#queue')).trim() : ''
export const calm = page => until(async () => await waiting(page) === '', 'nothing to wait')
export const says_so = page =>
  until(async () => /Not connected/.test(await page.innerText('body')), 'the mark')
export const is_back = page =>
  until(async () => !/Not connected/.test(await page.innerText('body')), 'no mark')

export const post = (server, { url, field }, text) => request(server, 'POST', url,
  { body: new URLSearchParams({ [field]: text, key: Math.random() }).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })

// Hides the other tabs, as a browser does.
export async function bring_to_front(pages, front) {
  const set = (page, hidden) => until(() => page.evaluate(hidden => {
    if (document.hidden === hidden) return true
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
    Object.defineProperty(document, 'visibilityState',
      { value: hidden ? 'hidden' : 'visible', configurable: true })
    return document.dispatchEvent(new Event('visibilitychange'))
  }, hidden).catch(() => false), 'a page that was loaded anew')
  for (const page of pages) if (page !== front) await set(page, true)
  if (front) await set(front, false)
}
