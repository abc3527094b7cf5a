#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// htmx 2 and 4 as npm has them, and the scripts for EventSource, in Chromium. Each test has a topic
// and a browser context of its own.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before } from 'node:test'
import { request, root, Server, sleep, test as wire_test, until } from '../wire/wire.mjs'
import { launch, note_waits } from './browser.mjs'

const UNLOAD = 1, RECONNECT = 2, STATUS = 4, TABS = 8, ALL = 15
let server, browser, topic = 0

before(async () => {
  server = await Server.start('asan/htmx', { args: [path.join(root, 'build/node/node_modules')] })
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await server?.stops()
})

const test = (name, fn) => wire_test(name, async () => {
  const context = await browser.newContext()
  try {
    await fn(context, `t${++topic}`)
  } finally {
    await context.close()
    await refuse(503, 0)
  }
  await streams(0)
})

// A tab: what goes wrong in it collects in .errors, but for what the tests do to streams on
// purpose.
async function tab(context, query) {
  const page = await context.newPage()
  page.errors = []
  page.on('pageerror', error => page.errors.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !/status of 503|net::ERR_/.test(message.text()))
      page.errors.push(message.text())
  })
  await page.goto(`${server.url}/?${new URLSearchParams(query)}`)
  return page
}

// Opens an EventSource in a page, as window.source; all that it hears is in window.heard.
const follow = (page, topic) => page.evaluate(topic => {
  window.heard = []
  window.source = new EventSource(`/stream/${topic}`)
  for (const type of ['open', 'error', 'message', 'tick']) {
    window.source.addEventListener(type,
      event => window.heard.push(event.data === undefined ? type : `${type}:${event.data}`))
  }
}, topic)
const heard = page => page.evaluate(() => window.heard)
const hears = (pages, what) =>
  until(async () => (await Promise.all(pages.map(heard))).every(all => all.includes(what)),
  `"${what}" in ${pages.length} tabs`)
const status = page => page.evaluate(() => document.documentElement.dataset.sse)
const streams = count =>
  until(async () => (await server.stats()).streams === count, `${count} streams`)
const publish = (topic, data, event = '') =>
  request(server, 'POST', `/publish/${topic}?event=${event}`, { body: data })
const refuse = (status, times) => request(server, 'POST', `/refuse?status=${status}&times=${times}`)

for (const htmx of [2, 4]) for (const scripts of [0, ALL])
  test(`htmx ${htmx}${scripts ? ', with all scripts' : ''}: messages, elements elsewhere, ` +
      `and it comes back`, async (context, topic) => {
    const page =
      await tab(context, { htmx, scripts, swap: 'message,tick', url: `/stream/${topic}` })
    const shows = (selector, html) =>
      until(async () => await page.innerHTML(selector) === html, `${html} in ${selector}`)
    const oob = (query, body) =>
      request(server, 'POST', `/oob/${topic}?${new URLSearchParams(query)}`, { body })
    await streams(1)
    await publish(topic, '<u>one</u>\n<i>two</i>')
    await shows('#feed', '<u>one</u>\n<i>two</i>')
    await oob({ target: 'aside', html: '<i>o</i>' }, '<u>three</u>')
    await shows('#aside', '<i>o</i>')
    await shows('#feed', '<u>three</u>')
    await oob({ target: 'rows', swap: 'beforeend', wrap: 'tbody', html: '<tr><td>1</td></tr>' },
      'four')
    await oob({ target: 'rows', swap: 'beforeend', wrap: 'tbody', html: '<tr><td>2</td></tr>' },
      'five')
    await shows('#rows', '<tr><td>1</td></tr><tr><td>2</td></tr>')
    await oob({ target: 'spare', swap: 'delete' }, 'six')
    await shows('#feed', 'six')
    assert.equal(await page.locator('#spare').count(), 0)
    await publish(topic, 'seven', 'tick')
    if (htmx === 2) await shows('#feed', 'seven')
    await publish(topic, 'eight')
    await shows('#feed', 'eight')
    assert.deepEqual(page.errors, []) // not at the end: htmx 2 logs a break as an error
    const { opened } = await server.stats()
    await request(server, 'POST', '/end')
    await publish(topic, 'while away')
    await shows('#feed', 'while away')
    assert.equal((await server.stats()).opened, opened + 1)
    if (scripts) await shows('[data-sse-status]', 'live')
  })

test('the scripts leave EventSource as it was to its users', async (context, topic) => {
  const page = await tab(context, { scripts: ALL })
  await follow(page, topic)
  await page.evaluate(() => {
    window.source.onmessage =
      ({ data, lastEventId, origin }) => { window.got = [data, lastEventId !== '', origin] }
  })
  await hears([page], 'open')
  await publish(topic, 'a\nb')
  await publish(topic, 'c', 'tick')
  await publish(topic, 'd', 'error')
  await hears([page], 'error:d')
  assert.deepEqual(await heard(page), ['open', 'message:a\nb', 'tick:c', 'error:d'])
  assert.deepEqual(await page.evaluate(() => window.got), ['a\nb', true, server.url])
  assert.deepEqual(await page.evaluate(() =>
    [window.source.readyState, window.source.url, EventSource.OPEN, window.source.CLOSED]),
    [1, `${server.url}/stream/${topic}`, 1, 2])
  await page.evaluate(() => window.source.close())
  await streams(0)
  assert.deepEqual(page.errors, [])
})

test('RECONNECT: comes back after 503, soon, then every two seconds at most, and misses nothing',
    async (context, topic) => {
  // the shortest waits; a stream that ends within 5 s makes the next ones longer
  await context.addInitScript(() => { Math.random = () => 0 })
  await context.addInitScript(note_waits)
  const page = await tab(context, { scripts: RECONNECT }), requests = []
  await follow(page, topic)
  await hears([page], 'open')
  await publish(topic, 'before')
  await hears([page], 'message:before')
  page.on('request', asked => requests.push(asked))
  await refuse(503, 4)
  await request(server, 'POST', '/end')
  await publish(topic, 'while away')
  await hears([page], 'message:while away')
  assert.equal(requests.length, 5) // four were refused
  const starts = requests.map(asked => asked.timing().startTime)
  const waits = starts.slice(1).map((start, i) => start - starts[i])
  const at_least = [495, 995, 995, 995] // the first was the 100 ms of the server's retry
  assert(waits.every((wait, i) => wait > at_least[i]),
    `waited ${waits.map(Math.round).join(', ')} ms`)
  const meant = await page.evaluate(() =>
    window.waits.filter(({ fn }) => fn.includes('read()')))
  assert.match(meant.map(({ ms }) => ms).join(' '), /^100 (500|1000)( 1000){3}$/)
  assert.equal(await page.evaluate(() => window.source.readyState), 1)
  assert.deepEqual((await heard(page)).filter(text => text.startsWith('message:')),
    ['message:before', 'message:while away'])
  assert.deepEqual(page.errors, [])
})

test('RECONNECT: 204 means never again', async (context, topic) => {
  const page = await tab(context, { scripts: RECONNECT | STATUS })
  await follow(page, topic)
  await hears([page], 'open')
  await refuse(204, 100)
  await request(server, 'POST', '/end')
  await until(() => page.evaluate(() => window.source.readyState === 2), 'the end')
  const { asked } = await server.stats()
  await sleep(1500) // longer than the first delay
  assert.equal((await server.stats()).asked, asked)
  assert.equal(await status(page), 'closed')
})

test('without RECONNECT a 503 is the end', async (context, topic) => {
  const page = await tab(context, { scripts: STATUS })
  await refuse(503, 1)
  await follow(page, topic)
  await until(() => page.evaluate(() => window.source.readyState === 2), 'the end')
  assert.equal(await status(page), 'closed')
})

test('STATUS: closed, connecting, open', async (context, topic) => {
  const page = await tab(context, { scripts: STATUS | RECONNECT })
  await page.evaluate(() => {
    window.states = []
    document.addEventListener('sse:status', event => window.states.push(event.detail.status))
  })
  const shown = () => page.textContent('[data-sse-status]')
  assert.equal(await shown(), 'closed')
  await refuse(503, 1)
  await follow(page, topic)
  await until(async () => await status(page) === 'open', 'open')
  assert.equal(await shown(), 'live') // its data-open
  await request(server, 'POST', '/end')
  await until(async () => (await page.evaluate(() => window.states.length)) === 4, 'the break')
  await page.evaluate(() => window.source.close())
  await until(async () => await status(page) === 'closed', 'closed')
  assert.equal(await shown(), 'closed')
  assert.deepEqual(await page.evaluate(() => window.states),
    ['connecting', 'open', 'connecting', 'open', 'closed'])
})

for (const scripts of [UNLOAD, UNLOAD | TABS])
  test(`UNLOAD${scripts & TABS ? ', TABS' : ''}: streams end with the page and come back with it`,
      async (context, topic) => {
    const page = await tab(context, { scripts })
    const turn = type => page.evaluate(type =>
      window.dispatchEvent(new PageTransitionEvent(type, { persisted: true })), type)
    await follow(page, topic)
    await hears([page], 'open')
    await publish(topic, 'one')
    await hears([page], 'message:one')
    await turn('pagehide')
    await streams(0)
    await publish(topic, 'two')
    await turn('pageshow')
    await hears([page], 'message:two')
    assert.deepEqual((await heard(page)).filter(text => text.startsWith('message:')),
      ['message:one', 'message:two'])
    await page.goto(`${server.url}/?left`)
    await streams(0)
    assert.deepEqual(page.errors, [])
  })

test('TABS: ten tabs, one stream', async (context, topic) => {
  const first = await tab(context, { scripts: TABS })
  await follow(first, topic)
  await hears([first], 'open')
  const others = await Promise.all(Array.from({ length: 9 }, () => tab(context, { scripts: TABS })))
  await Promise.all(others.map(page => follow(page, topic)))
  await hears(others, 'open')
  await streams(1)
  await publish(topic, 'all', 'tick')
  await hears([first, ...others], 'tick:all')
  await first.close()
  await publish(topic, 'between', 'tick')
  await hears(others, 'tick:between')
  await publish(topic, 'after', 'tick')
  await hears(others, 'tick:after')
  await streams(1)
  for (const page of others) {
    assert.deepEqual((await heard(page)).filter(text => text.startsWith('tick:')),
      ['tick:all', 'tick:between', 'tick:after'])
    assert.deepEqual(page.errors, [])
  }
  await Promise.all(others.map(page => page.evaluate(() => window.source.close())))
  await streams(0)
})
