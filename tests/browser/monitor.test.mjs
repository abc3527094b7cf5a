#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The monitor in Chromium: on a phone, light and dark, and at a desk; with thousands of streams;
// and what it shows of pages on Datastar's client, the one that is built in and the one that
// DATASTAR_JS names.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before } from 'node:test'
import { listen, request, root, Server, test, until } from '../wire/wire.mjs'
import { launch, visit } from './browser.mjs'

const clients = process.env.DATASTAR_JS ? ['', path.resolve(process.env.DATASTAR_JS)] : ['']
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

const rows = of => of.$$eval('#streams tbody tr', list => list.map(tr => tr.innerText))
const shows = (text, of = page) =>
  until(async () => (await of.textContent('body')).includes(text), `"${text}" on the page`)
const live = (of = page) => until(async () => (await of.textContent('#status')) === 'live' &&
  await of.locator('#gone').isHidden(), 'it to be live')
const counter = (key, of = page) => of.locator(`[data-key=${key}]`)
const panel = (name, of = page) => of.locator('nav button', { hasText: name }).click()
const night = what => request(server, 'POST', '/night/' + what)
const shot = (of, name) =>
  of.screenshot({ path: path.join(root, `build/browser/monitor-${name}.png`) })
const crowd = async (n, target) => { // streams of clients that do nothing else
  const sockets = []
  for (let i = 0; i < n; i++) {
    const socket = net.connect(server.port, '127.0.0.1').on('error', () => {}).resume()
    socket.write(`GET ${target(i)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    sockets.push(socket)
    if (i % 100 === 99) await new Promise(done => socket.once('data', done))
  }
  return sockets
}

test('it follows what happens', async () => {
  mkdirSync(path.join(root, 'build/browser'), { recursive: true })
  await live()
  const tiles = await page.$$eval('#trouble .tiles details', list => list.map(tile =>
    [tile.querySelector('b').textContent, tile.className]))
  assert.equal(tiles.length, 15)
  for (const [value, kind] of tiles) assert.equal(value === '0', kind === '', value)
  await shows(tiles.every(([value]) => value === '0') ? 'All 15 that should be 0 are 0'
    : ' of 15 are not 0') // of a machine that is busy a callback may have been slow
  await panel('Streams')
  await until(async () => (await rows(page)).length === 5, 'five streams')
  assert.equal((await rows(page)).filter(text => text.startsWith('chat')).length, 3)
  await panel('Topics')
  await shows('/clock/{zone} /utc')
  await shows('room <anna')
  await panel('Streams')
  const more = await listen(server, '/topic/late?label=latecomer')
  await shows('latecomer')
  more.close()
  await until(async () => (await rows(page)).length === 4 + 1, 'the latecomer to go')
  await panel('Charts')
  for (let i = 0; i < 30; i++)
    await request(server, 'POST', '/topic/room%20%3Canna', { body: 'hello' })
  await until(() => page.$$eval('svg path:not(.area)', paths => paths.every(path =>
    (path.getAttribute('d').match(/L/g) ?? []).length >= 3)), 'lines in the charts')
  for (const label of await page.$$eval('svg', list => list.map(svg => svg.ariaLabel)))
    assert.match(label, /^\S.*: .+, .+; the axis ends at \S/)
  const axes = await page.$$eval('.plot .y', list => list.map(y =>
    [...y.children].map(mark => mark.textContent)))
  for (const [top, middle, bottom] of axes)
    assert(/^[1-9]/.test(top) && top !== middle && /^0/.test(bottom), `${top} ${middle} ${bottom}`)
})

test('what people call themselves stays text', async () => {
  await panel('Streams')
  await shows('<img src=x onerror=alert(1)>')
  assert.equal(await page.locator('img').count(), 0)
})

test('the button closes the stream of its row', async () => {
  await page.getByRole('button', { name: 'end the stream of chat · ben' }).click()
  await until(() => streams.ben.closed, 'the stream to end')
  await until(async () => (await rows(page)).length === 4, 'its row to go')
  assert.equal(streams.anna.closed, false)
})

test('every number says what it is, to fingers, keys and readers', async () => {
  await panel('Charts')
  const dropped = counter('events_dropped')
  const why = dropped.locator('p').first()
  assert.equal(await why.isVisible(), false)
  await dropped.locator('summary').click()
  assert(await why.isVisible())
  assert.match(await why.textContent(), /slow readers lost/)
  await dropped.locator('summary').press('Enter')
  assert.equal(await why.isVisible(), false)
  for (const name of ['Charts', 'Streams', 'Topics', 'Cuts', 'Slow', 'Log', 'All']) {
    await panel(name)
    const mute = await page.$$eval('.panel.on, .tiles, .facts, header', list => list.flatMap(part =>
      [...part.querySelectorAll('b, th, figure')].filter(e => e.checkVisibility() &&
        !e.closest('details')?.querySelector('p')?.textContent.trim() &&
        !e.querySelector('details p')?.textContent.trim() && !e.ariaLabel &&
        !e.closest('figure')?.querySelector('details p')).map(e => e.outerHTML)))
    assert.deepEqual(mute, [], name)
  }
  const names = await page.$$eval('button, select, input, table', list => list.filter(e =>
    !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML))
  assert.deepEqual(names, [], 'each has a name')
})

test('it fits one screen of a phone, light and dark, and a desk', async () => {
  await panel('Charts')
  for (const [name, width, colorScheme] of [['light', 390, 'light'], ['dark', 390, 'dark'],
      ['wide', 1300, 'light'], ['wide-dark', 1300, 'dark']]) {
    await page.setViewportSize({ width, height: 844 })
    await page.emulateMedia({ colorScheme })
    for (const part of width === 390 ? ['Streams', 'Topics', 'Slow', 'Charts'] : ['']) {
      if (part) await panel(part)
      const { wide, high, cut, ink, paper } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth, high: document.documentElement.scrollHeight,
        cut: [...document.querySelectorAll('summary, th, nav button, .x, .y, td:nth-child(n+2)')]
          .filter(e => e.checkVisibility() && !e.matches('.t') &&
            e.scrollWidth > e.clientWidth + 1).map(e => e.innerText),
        ink: getComputedStyle(document.body).color,
        paper: getComputedStyle(document.body).backgroundColor }))
      assert(wide <= width, `${part}: ${wide} px of content in ${width}`)
      if (part) assert(high <= 844, `${part}: ${high} px of content in 844`)
      assert.deepEqual(cut, [], `${name} ${part}`)
      const light = colour =>
        colour.match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)
      assert(Math.abs(light(ink) - light(paper)) > 500, 'readable')
      assert.equal(light(paper) > light(ink), colorScheme === 'light')
    }
    await shot(page, name)
  }
  await page.setViewportSize({ width: 390, height: 844 })
  await page.emulateMedia({ colorScheme: 'light' })
  assert.deepEqual(page.errors, [])
})

test('what went wrong is on top, and says whose it was', async () => {
  await night('slow')
  await until(async () => (await counter('slow_callbacks').getAttribute('class')) === 'now',
    'the slow callback in red')
  await shows('rose just now')
  await panel('Slow')
  await shows('handler of POST /night/{what}')
  await panel('Log')
  await shows('held the loop for')
  const stuck = net.connect(server.port, '127.0.0.1').on('error', () => {})
  stuck.write('GET /topic/flood?label=eve HTTP/1.1\r\nHost: localhost\r\n\r\n')
  stuck.pause()
  await panel('Streams')
  await shows('eve')
  await until(async () => { // until more waits than may
    await request(server, 'POST', '/topic/flood', { body: 'x'.repeat(300000) })
    return Number(await counter('streams_closed_queue').locator('b').textContent()) > 0
  }, 'it to be cut')
  await panel('Cuts')
  await until(async () => /eve\s+127.0.0.1\s+queue/.test(await page.innerText('#cuts')), 'eve')
  await shot(page, 'cuts')
  stuck.destroy()
  const later = await visit(browser, server.url + '/_sse', { width: 390, height: 844 })
  await until(async () => (await counter('slow_callbacks', later).getAttribute('class')) === 'some',
    'what rose before')
  await later.context().close()
})

for (const client of clients)
  test(`pages on ${client ? 'Datastar' : 'the built-in client'} are shown, and closed`,
    async () => {
      const own = await Server.start('asan/monitor', { env: { DATASTAR_JS: client } })
      const of = await visit(browser, own.url + '/page')
      const watch = await visit(browser, own.url + '/_sse', { width: 1300, height: 900 })
      await until(async () => (await of.textContent('#notes')) === '0', 'the first state')
      await request(own, 'POST', '/note')
      await until(async () => (await of.textContent('#notes')) === '1', 'the commit')
      const row = watch.locator('#streams tbody tr', { hasText: '/notes' })
      await row.first().waitFor()
      assert.match(await row.first().innerText(), /\/notes[^]*127\.0\.0\.1[^]*\/notes[^]*open/)
      await until(async () => /^commit\s+[1-9]/m.test(await watch.innerText('#slow')), 'latency')
      await row.first().getByRole('button').click()
      await until(async () => await row.count() === 0, 'the stream to go')
      assert.deepEqual([...of.errors, ...watch.errors], [])
      await of.context().close()
      await watch.context().close()
      await own.stops()
    })

test('five thousand streams: searched, sorted and paged by the server', async () => {
  const sockets = await crowd(5000, i =>
    `/topic/hall?label=crowd&who=${String(i).padStart(4, '0')}`)
  await panel('Streams')
  await until(async () => /of 500\d$/.test(await page.textContent('#shown')), 'all of them')
  await page.fill('#find', '123')
  await shows(' of 15 found')
  await page.selectOption('#order', 'who')
  const names = async () => (await rows(page)).map(text => /^crowd · (\d+)/.exec(text)?.[1])
  await until(async () => (await names())[0] === '0123', 'the first')
  assert.equal((await names()).length, 8)
  await page.click('#on')
  await until(async () => (await names()).length === 7, 'the second page')
  assert.equal((await names())[6], '4123')
  await shot(page, 'crowd')
  await page.fill('#find', '')
  await page.selectOption('#order', '-state')
  for (const socket of sockets) socket.destroy()
  await until(async () => (await rows(page)).length <= 6, 'them to go')
  assert.deepEqual(page.errors, [])
})

test('it is back when a proxy has answered 502 for a while', async () => {
  const opened = await visit(browser, server.url + '/_sse')
  await live(opened)
  let refused = 0
  await opened.route('**/live*',
    route => refused++ < 3 ? route.fulfill({ status: 502 }) : route.continue())
  for (const stream of Object.values(streams)) stream.close()
  await server.restart()
  await until(() => refused >= 3, 'three tries')
  await live(opened)
  await opened.context().close()
  await live() // and the one beside it, that met no proxy
})

test('it says when the server is gone, or says nothing', async () => {
  for (const stream of Object.values(streams)) stream.close()
  await live()
  process.kill(server.pid, 'SIGSTOP')
  await shows('Connected, but the server says nothing')
  process.kill(server.pid, 'SIGCONT')
  await until(() => page.locator('#gone').isHidden(), 'news')
  assert.equal((await server.stop({ keep: true })).code, 0)
  await shows('Not connected: trying again. These numbers are of ')
  await shows('not connected')
  await shot(page, 'gone')
  server = await Server.start('asan/monitor')
})
