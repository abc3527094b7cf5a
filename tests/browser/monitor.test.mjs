#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The monitor in Chromium: on a phone, light and dark, and at a desk.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, before } from 'node:test'
import { listen, request, root, Server, test, until } from '../wire/wire.mjs'
import { launch, visit } from './browser.mjs'

let server, browser, page
const streams = {}

before(async () => {
  server = await Server.start('asan/monitor')
  for (const who of ['anna', 'ben', '<img src=x onerror=alert(1)>'])
    streams[who] =
      await listen(server, `/topic/${encodeURIComponent('room <' + who.slice(0, 4))}?label=chat&` +
      `who=${encodeURIComponent(who)}`)
  streams.clock = await listen(server, '/clock/utc')
  browser = await launch()
  page = await visit(browser, server.url + '/_sse', { width: 390, height: 844 })
})
after(async () => {
  await browser?.close()
  await server?.stops()
})

const rows = page =>
  page.$$eval('#streams tr', list => list.map(tr => tr.innerText.split(/\s*\n\s*|\t/)))
const shows = (text, of = page) =>
  until(async () => (await of.innerText('body')).includes(text), `"${text}" on the page`)

test('it follows what happens', async () => {
  await shows('live')
  await until(async () => (await rows(page)).length === 5, 'five streams')
  assert.equal((await rows(page)).filter(([label]) => label === 'chat').length, 3)
  await shows('/clock/{zone} /utc')
  await shows('room <anna')
  const more = await listen(server, '/topic/late?label=latecomer')
  await shows('latecomer')
  more.close()
  await until(async () => (await rows(page)).length === 4 + 1, 'the latecomer to go')
  for (let i = 0; i < 30; i++)
    await request(server, 'POST', '/topic/room%20%3Canna', { body: 'hello' })
  await until(() => page.$$eval('svg path:not(.area)', paths => paths.every(path =>
    (path.getAttribute('d').match(/L/g) ?? []).length >= 3)), 'lines in the charts')
})

test('what people call themselves stays text', async () => {
  await shows('<img src=x onerror=alert(1)>')
  assert.equal(await page.locator('img').count(), 0)
})

test('the button closes the stream of its row', async () => {
  await page.locator('#streams tr', { hasText: 'ben' }).locator('button').click()
  await until(() => streams.ben.closed, 'the stream to end')
  await until(async () => (await rows(page)).length === 4, 'its row to go')
  assert.equal(streams.anna.closed, false)
})

test('it fits a phone, light and dark, and a desk', async () => {
  mkdirSync(path.join(root, 'build/browser'), { recursive: true })
  for (const [name, width, colorScheme] of [['light', 390, 'light'], ['dark', 390, 'dark'],
      ['wide', 1200, 'light']]) {
    await page.setViewportSize({ width, height: 844 })
    await page.emulateMedia({ colorScheme })
    const { scroll, cut, ink, paper } = await page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      cut: [...document.querySelectorAll('td:nth-child(n+2), .card p, th')].filter(e =>
        e.scrollWidth > e.clientWidth + 1).map(e => e.innerText),
      ink: getComputedStyle(document.body).color,
      paper: getComputedStyle(document.body).backgroundColor }))
    assert(scroll <= width, `${scroll} px of content in ${width}`)
    assert.deepEqual(cut, [])
    const light = colour => colour.match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)
    assert(Math.abs(light(ink) - light(paper)) > 500, 'readable')
    assert.equal(light(paper) > light(ink), colorScheme === 'light')
    await page.screenshot({ path: path.join(root, `build/browser/monitor-${name}.png`) })
  }
  assert.deepEqual(page.errors, [])
})

test('it is back when a proxy has answered 502 for a while', async () => {
  const opened = await visit(browser, server.url + '/_sse')
  await shows('live', opened)
  let refused = 0
  await opened.route('**/live*',
    route => refused++ < 3 ? route.fulfill({ status: 502 }) : route.continue())
  for (const stream of Object.values(streams)) stream.close()
  await server.restart()
  await until(() => refused >= 3, 'three tries')
  await shows('live', opened)
  await opened.context().close()
  await shows('live') // and the one beside it, that met no proxy
})

test('it says when the server is gone', async () => {
  for (const stream of Object.values(streams)) stream.close()
  assert.equal((await server.stop({ keep: true })).code, 0)
  await shows('connecting')
  server = await Server.start('asan/monitor')
})
