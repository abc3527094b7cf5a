#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// What is typed in the pages of the examples: nothing is lost, and nothing comes twice.
import assert from 'node:assert/strict'
import path from 'node:path'
import { sleep, test, until } from '../wire/wire.mjs'
import { asked, calm, clients, is_back, post, says_so, shown, shows, submit, talkers, type, waiting,
  with_page } from './examples.mjs'

for (const [program, talker] of Object.entries(talkers)) {
  for (const client of program === 'chat' ? clients : ['']) {
    const name = `${program}${client && ' with ' + path.basename(client)}`

    test(`${name}: without a script the page shows what there is, and takes more`, async () => {
      await with_page(program, { js: false, client }, async (page, server) => {
        await post(server, talker, 'a < b')
        await page.reload()
        await shows(page, talker, 'a < b')
        await submit(page, 'from a form & more')
        await shows(page, talker, 'a < b', 'from a form & more')
        assert.equal(new URL(page.url()).pathname, '/')
      })
    })

    test(`${name}: what is typed while the server is away arrives, once and in order`, async () => {
      await with_page(program, { client }, async (page, server) => {
        await type(page, 'before')
        await shows(page, talker, 'before')
        await calm(page)
        assert.equal(await page.inputValue('input'), '')
        await server.restart('SIGTERM', { meanwhile: async () => {
          await says_so(page)
          await type(page, 'one')
          await type(page, 'two')
          await sleep(1000)
          assert.match(await waiting(page), /^one.*\ntwo/)
        } })
        await shows(page, talker, 'before', 'one', 'two')
        await calm(page)
        await is_back(page)
        await type(page, 'after')
        await shows(page, talker, 'before', 'one', 'two', 'after')
      })
    })

    test(`${name}: five lines within 600 ms on a slow line`, async () => {
      await with_page(program, { client }, async (page, server, context) => {
        const network = await context.newCDPSession(page)
        await network.send('Network.enable')
        await network.send('Network.emulateNetworkConditions',
          { offline: false, latency: 300, downloadThroughput: 2500, uploadThroughput: 2500 })
        for (let i = 1; i <= 5; i++, await sleep(120)) await type(page, `line ${i}`)
        await page.fill('input', 'half a')
        await shows(page, talker, 'line 1', 'line 2', 'line 3', 'line 4', 'line 5')
        await calm(page)
        assert.equal(await page.inputValue('input'), 'half a')
      })
    })

    test(`${name}: a line whose answer is lost is there once`, async () => {
      await with_page(program, { client }, async page => {
        let tries = 0
        await page.route('**' + talker.url, async route => {
          if (route.request().method() !== 'POST' || ++tries > 1) return route.continue()
          await route.fetch()
          return route.abort()
        })
        await type(page, 'once')
        await until(() => tries >= 2, 'another try')
        await calm(page)
        await type(page, 'then')
        await shows(page, talker, 'once', 'then')
      })
    })

    test(`${name}: a server that has a problem is asked again, a refusal is told`, async () => {
      await with_page(program, { client }, async page => {
        const answers = [500, 503]
        await page.route('**' + talker.url,
          route => route.request().method() === 'POST' && answers.length
          ? route.fulfill({ status: answers.shift(), body: 'no, sir' }) : route.continue())
        await type(page, 'again')
        await shows(page, talker, 'again')
        await calm(page)
        answers.push(422)
        await type(page, 'never')
        await until(async () => /no, sir|422/.test(await page.innerText('body')), 'the refusal')
        assert.match(await page.innerText('body'), /never/)
        await type(page, 'next')
        await shows(page, talker, 'again', 'next')
        await until(async () => !/no, sir|422|never/.test(await page.innerText('body')),
          'no more of the refusal')
      })
    })

    test(`${name}: what waits survives a reload`, async () => {
      await with_page(program, { client }, async page => {
        await page.route('**' + talker.url,
          route => route.request().method() === 'POST' ? route.abort() : route.continue())
        await type(page, 'one')
        await type(page, 'two')
        await sleep(200)
        await page.unroute('**' + talker.url)
        await page.reload()
        await shows(page, talker, 'one', 'two')
        await calm(page)
      })
    })

    if (talker.scroller)
        test(`${name}: who reads older lines, or selects one, is not disturbed`, async () => {
      await with_page(program, { client }, async (page, server) => {
        for (let i = 1; i <= 40; i++) await post(server, talker, `line ${i}`)
        await page.reload()
        await until(async () => (await shown(page, talker)).length === 40, 'forty lines')
        const at_end = () =>
          page.$eval(`${talker.lines}:${talker.newest_first ? 'first' : 'last'}-child`,
          line => line.getBoundingClientRect().top < innerHeight)
        assert(await at_end())
        const look = () => page.evaluate(([lines]) => {
          const line =
            [...document.querySelectorAll(lines)].find(line => line.textContent.endsWith('line 20'))
          return { top: Math.round(line.getBoundingClientRect().top),
            selected: String(getSelection()) }
        }, [talker.lines])
        await page.evaluate(([lines]) => {
          const line =
            [...document.querySelectorAll(lines)].find(line => line.textContent.endsWith('line 20'))
          line.scrollIntoView({ block: 'center' })
          getSelection().selectAllChildren(line)
        }, [talker.lines])
        const before = await look()
        assert.match(before.selected, /line 20/)
        for (let i = 41; i <= 45; i++) await post(server, talker, `line ${i}`)
        await until(async () => (await shown(page, talker)).at(-1) === 'line 45', 'the new lines')
        assert.deepEqual(await look(), before)
        await page.$eval(talker.scroller, (box, to) => { box.scrollTop = to },
          talker.newest_first ? 0 : 1e6)
        await post(server, talker, 'line 46')
        await until(async () => (await shown(page, talker)).at(-1) === 'line 46', 'one more')
        assert(await at_end(), 'the end is followed')
      })
    })
  }
}

test('no page asked for anything from another host', () => assert.deepEqual(asked, []))
