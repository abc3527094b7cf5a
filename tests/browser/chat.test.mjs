#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The chat in ten browsers, on the client that is built in or on the one that DATASTAR_JS names.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, before } from 'node:test'
import { root, Server, sleep, test, until } from '../wire/wire.mjs'
import { launch, visit } from './browser.mjs'

const people = 10
let server, browser, pages

before(async () => {
  server = await Server.start('chat',
    { env: { DATASTAR_JS: process.env.DATASTAR_JS ? path.resolve(process.env.DATASTAR_JS) : '' } })
  browser = await launch()
  pages = await Promise.all(Array.from({ length: people }, () => visit(browser, server.url)))
})
after(async () => {
  await browser?.close()
  await server?.stops()
})

// What the page shows, newest first.
const shown = page => page.$$eval('#feed p', lines => lines.map(line => line.textContent))
const everyone_sees = text =>
  until(async () => (await Promise.all(pages.map(shown))).every(lines => lines[0] === text),
  `"${text}" in all pages`)

async function type(page, text, send = () => page.keyboard.press('Enter')) {
  await page.fill('input', text)
  await send()
}

test('typed in one page, shown in all', async () => {
  await type(pages[0], 'hello, all')
  await everyone_sees('hello, all')
  await type(pages[7], '<b>not bold</b> & "quoted" \u{1F600}', () => pages[7].click('button'))
  await everyone_sees('<b>not bold</b> & "quoted" \u{1F600}')
  assert.equal(await pages[3].locator('#feed b').count(), 0)
})

test('the input is empty after sending, and an empty one sends nothing', async () => {
  await type(pages[1], 'once')
  await everyone_sees('once')
  assert.equal(await pages[1].inputValue('input'), '')
  await type(pages[1], '   ')
  await sleep(200)
  assert.equal((await shown(pages[2]))[0], 'once')
})

test('what one types is not disturbed by what others say', async () => {
  await pages[4].fill('input', 'half a thou')
  await type(pages[5], 'interruption')
  await everyone_sees('interruption')
  assert.equal(await pages[4].inputValue('input'), 'half a thou')
  await pages[4].fill('input', '')
})

test('ten native EventSources see the message and a row from the sqlite3 shell', async () => {
  for (const page of pages) {
    await page.evaluate(() => new Promise((done, failed) => {
      window.seen = []
      window.source = new EventSource('/feed')
      window.source.addEventListener('datastar-patch-elements', event => {
        window.seen.push(event.data)
        done()
      })
      window.source.onerror = () => failed(new Error('EventSource failed'))
    }))
  }
  const every_source_sees = text => until(async () =>
    (await Promise.all(pages.map(page => page.evaluate(() => window.seen.at(-1))))).every(data =>
      data.includes(`>${text}</p>`)), `"${text}" in all EventSources`)
  await type(pages[2], 'to the sources')
  await every_source_sees('to the sources')
  await everyone_sees('to the sources')
  execFileSync('sqlite3',
    [path.join(server.dir, 'chat.db'), "INSERT INTO msgs(txt) VALUES('from the shell')"])
  await every_source_sees('from the shell')
  await everyone_sees('from the shell')
  for (const page of pages)
    assert.equal(await page.evaluate(() => {
      window.source.close()
      return window.seen.every(data => data.startsWith('elements '))
    }), true)
})

test('a page that comes later shows the same', async () => {
  const page = await visit(browser, server.url)
  const want = await shown(pages[0])
  await until(async () => JSON.stringify(await shown(page)) === JSON.stringify(want),
    'the same lines')
  await page.context().close()
})

test('the page fits a phone and logs no error', async () => {
  mkdirSync(path.join(root, 'build/browser'), { recursive: true })
  await pages[0].screenshot({ path: path.join(root, 'build/browser/chat.png') })
  await type(pages[0], 'w'.repeat(300))
  await everyone_sees('w'.repeat(300))
  const { width, scroll, input } = await pages[0].evaluate(() => ({
    width: innerWidth, scroll: document.documentElement.scrollWidth,
    input: document.querySelector('input').getBoundingClientRect().bottom <= innerHeight }))
  assert(scroll <= width, `${scroll} px of content in ${width}`)
  assert(input, 'the input is in view')
  for (const page of pages) assert.deepEqual(page.errors, [])
})

test('the server restarts: the pages come back by themselves', async () => {
  const lines = await shown(pages[0])
  assert(lines.length > 0)
  await Promise.all(pages.slice(1).map(page => page.context().close()))
  pages = [pages[0]]
  const { stderr, ...end } = await server.restart()
  assert.deepEqual(end, { code: 0, signal: null })
  assert.equal(stderr.replace(/^.* held the loop for .*\n/mg, ''), '') // on a busy machine
  await sleep(1500)
  execFileSync('sqlite3',
    [path.join(server.dir, 'chat.db'), "INSERT INTO msgs(txt) VALUES('after the restart')"])
  await everyone_sees('after the restart')
})
