#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The pages of the examples, looked at: without a script, without the internet, in nine tabs,
// connected and not.
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before } from 'node:test'
import { Redis } from '../wire/redis.mjs'
import { request, root, Server, sleep, test, until } from '../wire/wire.mjs'
import { asked, bring_to_front, browser, clients, is_back, open, post, says_so, slowed, talkers,
  type, user, with_page } from './examples.mjs'

// whether they say that they are not connected, and come back
const pages = { chat: true, life: true, rooms: true, outbox: true, sensor: true, processes: true,
  numbers: true, cluster: true, progress: true, ssecat: true, tabs: true, weather: true,
  board: true, embed: true, tested: true, files: false, todo: false, login: false, later: false }
const speakers = { ...talkers, cluster: { lines: 'main p', url: '/', field: 'text' } }
let redis // which cluster needs
before(async () => { redis = await Redis.start() })
after(() => redis.kill())
const start = (program, client) =>
  Server.start(program, { env: { DATASTAR_JS: client, REDIS: redis.sock } })
const clients_of =
  program => ['chat', 'life', 'progress', 'todo', 'weather', 'board', 'embed', 'kanban']
    .includes(program) ? clients : ['']

// Texts whose contrast to what is behind them is under 4.5 : 1.
const faint = page => page.evaluate(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgb = color => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = color => rgb(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor
      if (rgb(color)[3] === 255) return color
    }
    return getComputedStyle(paper).backgroundColor
  }
  const paper = document.body.appendChild(document.createElement('div'))
  paper.style.background = 'Canvas'
  const found = []
  const look = (element, color, text) => {
    const [a, b] = [luminance(color), luminance(behind(element))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) found.push(`${text}: ${ratio.toFixed(2)}`)
  }
  for (const element of document.body.querySelectorAll('*')) {
    if (['SCRIPT', 'NOSCRIPT', 'STYLE'].includes(element.tagName) ||
      !element.checkVisibility({ visibilityProperty: true }))
      continue
    if ([...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
      look(element, getComputedStyle(element).color, element.textContent.trim())
    if (element.placeholder)
      look(element, getComputedStyle(element, '::placeholder').color, element.placeholder)
  }
  paper.remove()
  return found
})

// Whether all of it is within the width, and what can be pressed is large enough for a thumb (WCAG
// 2.2, 2.5.8).
const misfits = page => page.evaluate(() => [
  ...document.documentElement.scrollWidth > innerWidth
    ? [`${document.documentElement.scrollWidth} px in ${innerWidth}`] : [],
  ...[...document.querySelectorAll('button, input')].filter(e => e.checkVisibility() &&
    e.getBoundingClientRect().height < 24).map(e => e.outerHTML),
  ...[...document.querySelectorAll('input')].filter(e => !e.ariaLabel && !e.labels.length)
    .map(e => `no label: ${e.outerHTML}`),
  ...document.documentElement.lang && document.title ? [] : ['no language, or no title']])

for (const program of Object.keys(pages)) for (const client of clients_of(program)) {
  test(`${program}${client && ' with ' + path.basename(client)}: light and dark, ` +
      `on a phone and on a screen, connected and not`, async () => {
    mkdirSync(path.join(root, 'build/browser'), { recursive: true })
    const server = await start(program, client)
    if (speakers[program])
      for (const text of ['Hello, all',
        'A longer line, which takes more than one row on a phone: ' + 'words '.repeat(20),
        'x'.repeat(150)])
        await post(server, speakers[program], text)
    if (program === 'processes') for (let i = 0; i < 9; i++) await press(server, `first${i}`)
    const views = []
    for (const scheme of ['light', 'dark'])
        for (const [width, height] of [[390, 844], [1280, 800]]) {
      // 2,500 cells, five times a second
      if (program === 'life' && (scheme === 'light') === (width === 390)) continue
      const context = await user({ scheme, width, height })
      views.push({ context, page: await open(context, server.url +
        (program === 'login' ? '/?wrong' : '')), name: `${program}-${scheme}-${width}` })
    }
    const look = async state => {
      // pages that move all the time leave a busy machine no time for pictures
      const moves = program === 'life' && state === ''
      if (moves) server.child.kill('SIGSTOP')
      for (const { page, name } of views) {
        await page.screenshot({ path: path.join(root, `build/browser/${name}${state}.png`) })
        assert.deepEqual(await misfits(page), [], name)
        assert.deepEqual(await faint(page), [], name)
      }
      if (moves) server.child.kill('SIGCONT')
    }
    await sleep(700)
    await look('')
    if (pages[program]) {
      await server.restart('SIGKILL', { meanwhile: async () => {
        for (const { page } of views) await says_so(page)
        if (speakers[program]) for (const { page } of views) await type(page, 'This waits')
        await sleep(2500)
        await look('-away')
      } })
      const as_ever = program === 'life' ? slowed(server) : () => {}
      for (const { page } of views) await is_back(page)
      as_ever()
    }
    for (const { page } of views) assert.deepEqual(page.errors, [])
    await Promise.all(views.map(({ context }) => context.close()))
    await server.stops()
  })
}

const press = (server, key) => request(server, 'POST', `/press?key=${key}`, { agent: false })

for (const program of ['chat', 'life']) for (const client of clients) {
  test(
      `${program}${client && ' with ' + path.basename(client)}: nine tabs opened in the background`,
      async () => {
    const server = await start(program, client)
    const context = await user(), tabs = []
    await context.addInitScript(() =>
      Object.defineProperty(document, 'hidden', { value: true, configurable: true }))
    for (let i = 0; i < 9; i++) tabs.push(await open(context, server.url))
    for (const tab of [tabs[8], tabs[0]]) {
      await bring_to_front(tabs, tab)
      const state = () =>
        tab.evaluate(() => (document.getElementById('board') ?? document.body).innerHTML)
      const before = await state()
      if (program === 'chat') await post(server, talkers.chat, 'hello')
      await until(async () => await state() !== before, 'the tab to follow')
    }
    for (const tab of tabs) assert.deepEqual(tab.errors, [])
    await context.close()
    await server.stops()
  })
}

// ---- one by one ---------------------------------------------------------------------------------
for (const client of clients) test(
    `life${client && ' with ' + path.basename(client)}: a tap draws, by finger and by keyboard`,
    async () => {
  await with_page('life', { client }, async page => {
    const taps = []
    page.on('response', reply => {
      if (reply.request().method() === 'POST')
        taps.push(`${new URL(reply.url()).search} ${reply.status()}`)
    })
    assert.equal(await page.locator('#board i').count(), 2500)
    await sleep(1000) // some generations: the view has rendered the board anew
    await page.evaluate(() =>
      new MutationObserver(() => { window.away ||= document.body.classList.contains('offline') })
      .observe(document.body, { attributes: true }))
    const { x, y, width } = await page.evaluate(() => {
      const { x, y, width } = document.getElementById('board').getBoundingClientRect()
      return { x, y, width }
    })
    for (let i = 0; i < 3; i++)
      await page.mouse.click(x + width * (i + 0.51) / 50, y + width * 0.51)
    await page.locator('button').focus()
    await page.keyboard.press('Enter')
    await until(() => taps.length === 4, 'four taps')
    assert.equal(await page.evaluate(() => window.away), undefined, 'a tap is no break')
    assert.deepEqual(taps.sort(), [' 204', '?cell=1250 204', '?cell=1251 204', '?cell=1252 204'])
  })
})

test('life: without a script there is a board, and it is sown', async () => {
  await with_page('life', { js: false }, async page => {
    assert.equal(await page.locator('#board i').count(), 2500)
    assert(await page.locator('#board i:not(.c0)').count() > 100)
    assert.match(await page.innerText('#numbers'), /watching/)
    await Promise.all([page.waitForNavigation(), page.click('button')])
    assert.equal(new URL(page.url()).pathname, '/')
  })
})

test('sensor: a reading that is old says so', async () => {
  await with_page('sensor', {}, async (page, server) => {
    assert.match(await page.innerText('#temp'), /^-?\d+\.\d °C$/)
    await until(async () => await page.innerText('#age') === 'now', 'a new reading')
    const color = () => page.$eval('#temp', e => getComputedStyle(e).color), now = await color()
    await server.restart('SIGTERM', { meanwhile: async () => {
      await until(async () => /^[3-9] s ago$/.test(await page.innerText('#age')), 'an old reading')
      assert.notEqual(await color(), now)
    } })
    await until(async () => await page.innerText('#age') === 'now' && await color() === now,
      'a new reading')
  })
  await with_page('sensor', { js: false },
    async page => assert.match(await page.innerText('body'), /-?\d+\.\d °C\s+\d\d:\d\d:\d\d UTC/))
})

test('numbers: the count goes on behind a break', async () => {
  await with_page('numbers', {}, async (page, server) => {
    const number = async () => Number(await page.innerText('output'))
    await until(async () => await number() >= 3, 'three')
    const seen = await page.evaluate(() => {
      window.seen = []
      new MutationObserver(() =>
        window.seen.push(Number(document.querySelector('output').textContent)))
        .observe(document.querySelector('output'), { childList: true })
      return Number(document.querySelector('output').textContent)
    })
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      await server.restart(signal, { meanwhile: () => sleep(300) })
      const last = await number()
      await until(async () => await number() >= last + 2, 'two more')
    }
    const all = await page.evaluate(() => window.seen)
    assert.deepEqual(all, all.map((_, i) => seen + 1 + i))
  })
  await with_page('numbers', { js: false },
    async page => assert.match(await page.innerText('body'), /script/))
})

for (const client of clients) test(
    `progress${client && ' with ' + path.basename(client)}: ` +
    'all pages see the job, which goes on behind a kill -9, and steer it', async () => {
  await with_page('progress', { client }, async (page, server, context) => {
    const state = page => page.innerText('#state')
    const percent = page => page.$eval('progress', bar => bar.value)
    const other = await open(context, server.url)
    assert.match(await state(page), /ready/i)
    assert.equal(await page.isVisible('#stop'), false)
    await page.fill('input', '100000000')
    await page.keyboard.press('Enter')
    for (const each of [page, other])
      await until(async () => /running/i.test(await state(each)), 'the job to run')
    await until(async () => await percent(other) >= 2, 'two parts')
    await other.reload()
    assert(await percent(other) >= 2)
    let before
    await server.restart('SIGKILL', { meanwhile: async () => {
      await says_so(page)
      before = await percent(page)
    } })
    await is_back(page)
    await until(async () => await percent(page) > before, 'another part')
    await other.locator('#stop').focus()
    await other.keyboard.press('Enter')
    await until(async () => /cancelled/i.test(await state(page)), 'the end')
    await page.fill('input', '100000')
    await page.click('#go')
    for (const each of [page, other])
      await until(async () => /done/i.test(await state(each)), 'the result')
    assert.match(await other.innerText('#numbers'), /100 %\s+9592 below 100000/)
    assert.deepEqual(other.errors, [])
  })
})

test('progress: without a script the job starts, and the page follows', async () => {
  await with_page('progress', { js: false }, async page => {
    await page.fill('input', '1000')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    await until(async () => /168 below 1000/.test(await page.innerText('#numbers')
      .catch(() => '')), 'the result')
  })
})

test('ssecat: lines as they come, the end of the input, and the next input', async () => {
  const server = await Server.start('ssecat', { input: 'pipe' }), context = await user()
  const page = await open(context, server.url), put = text => server.child.stdin.write(text)
  const rows = () => page.$$eval('#log div', all => all.map(row => row.textContent))
  const shows = async last => until(async () => (await rows()).at(-1) === last, last, 30000)
  const at_end = () =>
    page.$eval('#log', log => log.scrollHeight - log.scrollTop - log.clientHeight < 40)
  put('one <b>\n\na\rb\n')
  await shows('a\nb')
  assert.deepEqual(await rows(), ['one <b>', '', 'a\nb'])
  for (let i = 1; i <= 1500; i++) put(`line ${i}\n`)
  await shows('line 1500')
  assert.equal((await rows()).length, 1000) // what the server keeps
  assert(await at_end())
  await page.$eval('#log', log => { log.scrollTop = 0 })
  await until(() => page.isVisible('#more'), 'the way back')
  put('below\n')
  await shows('below')
  assert.equal(await at_end(), false) // who reads above stays there
  await page.locator('#more').focus()
  await page.keyboard.press('Enter')
  await until(at_end, 'the end of the page')
  server.child.stdin.end('no line break')
  await until(async () => await page.innerText('#end') === 'End of the input.', 'the end')
  await shows('no line break')
  await page.reload()
  assert.equal(await page.innerText('#end'), 'End of the input.')
  assert.equal((await rows()).at(-1), 'no line break')
  await server.restart('SIGKILL', { meanwhile: () => says_so(page) })
  server.child.stdin.write('a new one\n')
  await until(async () => (await rows()).join() === 'a new one', 'only the new input')
  assert.equal(await page.innerText('#end'), '')
  await is_back(page)
  assert.deepEqual(page.errors, [])
  await context.close()
  await server.stops()
})

test('files: pages follow what is written, and come back with the server', async () => {
  await with_page('files', {}, async (page, server) => {
    const put = (name, text) => writeFileSync(path.join(server.dir, name), text)
    const says = async (target, what) => until(async () => await page.innerText(target)
      .catch(() => '') === what, what, 30000)
    const color = () => page.$eval('p', p => getComputedStyle(p).color)
    put('x.html', '') // the list follows as well
    await says('a', 'x.html')
    put('a.css', 'p { color: rgb(255, 0, 0) }')
    put('index.html', '<link rel=stylesheet href=a.css><title>x</title><p>one')
    await says('p', 'one')
    await page.evaluate(() => { window.same = true })
    put('a.css', 'p { color: rgb(0, 0, 255) }')
    await until(async () => await color() === 'rgb(0, 0, 255)', 'the new color')
    assert.equal(await page.evaluate(() => window.same), true) // the same page
    assert.equal(await page.locator('link').count(), 1)
    put('new~', '<p>two')
    renameSync(path.join(server.dir, 'new~'), path.join(server.dir, 'index.html'))
    await says('p', 'two')
    await bring_to_front([page])
    put('index.html', '<p>three')
    await sleep(500)
    assert.equal(await page.innerText('p'), 'two') // nobody looks
    await bring_to_front([page], page)
    await says('p', 'three')
    rmSync(path.join(server.dir, 'index.html'))
    await says('h1', '/')
    await server.restart('SIGKILL', { meanwhile: async () => {
      await until(async () => /^Not connected: /.test(await page.title()), 'the mark')
      put('index.html', '<p>four')
    } })
    await says('p', 'four')
    assert.doesNotMatch(await page.title(), /Not connected/)
    await page.goto(`${server.url}/no.html`)
    await says('h1', '/no.html')
    put('no.html', '<p>there')
    await says('p', 'there')
  })
})

for (const client of clients) test(
    `todo${client && ' with ' + path.basename(client)}: a list on all devices of its user`,
    async () => {
  await with_page('todo', { client }, async (page, server, context) => {
    const enter = async (page, name, button) => {
      await page.fill('[name=name]', name)
      await page.fill('[name=password]', 'open sesame')
      await Promise.all([page.waitForNavigation(), page.click(`text=${button}`)])
    }
    const shows = (page, ...wanted) => until(async () => (await page.$$eval('[aria-pressed]',
      all => all.map(e => e.textContent + (e.ariaPressed === 'true' ? '!' : '')))).join() ===
      wanted.join(), `${wanted}`)
    const misfit = async page =>
      assert.deepEqual([...await misfits(page), ...await faint(page)], [])
    await enter(page, 'ann', 'Join')
    await misfit(page)
    const phone = await user({ scheme: 'dark' }), other = await open(phone, server.url)
    await enter(other, 'ann', 'Join')
    assert.match(await other.innerText('[role=alert]'), /taken/)
    await enter(other, 'ann', 'Log in')
    await type(page, 'milk <b>')
    for (const each of [page, other]) await shows(each, 'milk <b>')
    await until(async () => await page.inputValue('#add input') === '', 'an empty field')
    await other.locator('[aria-pressed]').focus()
    await other.keyboard.press('Enter')
    for (const each of [page, other]) await shows(each, 'milk <b>!')
    for (const each of [page, other]) await misfit(each)
    await server.restart('SIGKILL', { meanwhile: async () => {
      for (const each of [page, other]) await says_so(each)
      await type(page, 'kept')
      await misfit(page)
    } })
    for (const each of [page, other]) await is_back(each) // still logged in
    assert.equal(await page.inputValue('#add input'), 'kept')
    await page.press('#add input', 'Enter')
    for (const each of [page, other]) await shows(each, 'kept', 'milk <b>!')
    await other.click('[aria-label="Delete milk <b>"]')
    for (const each of [page, other]) await shows(each, 'kept')
    const tab = await open(context, server.url)
    const again = other.waitForResponse(/todo\/list/, { timeout: 30000 }) // its stream ends, too
    await Promise.all([tab.waitForNavigation(), tab.click('text=Log out')])
    await page.waitForSelector('[name=password]', { timeout: 30000 }) // this tab as well
    await again
    await is_back(other)
    await type(other, 'goes on')
    await shows(other, 'goes on', 'kept')
    await phone.close()
  })
  await with_page('todo', { js: false }, async page => {
    await page.fill('[name=name]', 'bob')
    await page.fill('[name=password]', 'open sesame')
    await Promise.all([page.waitForNavigation(), page.click('text=Join')])
    await Promise.all([page.waitForNavigation(), type(page, 'bread')])
    await Promise.all([page.waitForNavigation(), page.click('[aria-pressed]')])
    assert.equal(await page.locator('[aria-pressed=true]').count(), 1)
    await Promise.all([page.waitForNavigation(), page.click('[aria-label^=Delete]')])
    assert.equal(await page.locator('li').count(), 0)
  })
})

test('tabs: all share a stream, and go on when the one that reads is closed', async () => {
  await with_page('tabs', {}, async (page, server, context) => {
    const tabs = [page]
    for (let i = 0; i < 3; i++) tabs.push(await open(context, server.url))
    const shows = (id, text) => until(async () => (await Promise.all(tabs.map(tab =>
      tab.innerText(id)))).every(is => is === text), `${text} as ${id}`)
    await shows('#tabs', '4')
    await shows('#streams', '1')
    await tabs[3].locator('button').focus()
    await tabs[3].keyboard.press('Enter')
    await shows('#seen', '1')
    await tabs.shift().close() // the first one reads for all
    await shows('#tabs', '3')
    for (let i = 0; i < 5; i++) await request(server, 'POST', '/press?script')
    await shows('#seen', '6')
    await shows('#streams', '1')
    for (const tab of tabs) assert.deepEqual(tab.errors, [])
  })
  await with_page('tabs', { js: false }, async page => {
    await Promise.all([page.waitForNavigation(), page.click('button')])
    assert.equal(await page.innerText('#presses'), '1')
  })
})

for (const client of clients) test(
    `kanban${client && ' with ' + path.basename(client)}: a team on a board`, async () => {
  await with_page('kanban', { client }, async (page, server) => {
    const enter = async (page, name) => {
      await page.fill('[name=name]', name)
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    }
    const phone = await user({ scheme: 'dark' }), other = await open(phone, server.url)
    await enter(page, 'Ann')
    await enter(other, 'Bob')
    const shows = (target, what) => until(async () => (await Promise.all([page, other].map(each =>
      each.innerText(target)))).every(text => what.test(text)), `${what} in ${target}`)
    await shows('#here', /^Ann\s+Bob$/)
    await page.fill('[name=title]', 'Repair <b>')
    await page.keyboard.press('Enter')
    await shows('#lists', /Repair <b>/)
    await until(async () => await page.inputValue('[name=title]') === '', 'an empty field')
    await page.fill('[name=q]', 'pump')
    await other.locator('[aria-label="Repair <b>: to Doing"]').focus()
    await other.keyboard.press('Enter')
    await shows('#log', /Bob moved to Doing: Repair <b>/)
    await page.locator('#d1 summary').click()
    await other.locator('#d1 summary').click()
    await other.setInputFiles('[aria-label="File for Repair <b>"]',
      { name: 'pump plan.txt', mimeType: 'text/plain', buffer: Buffer.from('the plan') })
    await other.click('#d1 button')
    await shows('#lists', /pump plan\.txt/)
    assert.equal(await page.getAttribute('#d1', 'open'), '') // a change leaves it open
    await until(async () => /Repair/.test(await page.innerText('#found')), 'the find')
    assert.equal(await other.innerText('#found'), '') // which is Ann's alone
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#c1 a')])
    assert.equal(download.suggestedFilename(), 'pump plan.txt')
    for (const each of [page, other])
      assert.deepEqual([...await misfits(each), ...await faint(each)], [])
    await server.restart('SIGKILL', { meanwhile: () => says_so(page) })
    for (const each of [page, other]) await is_back(each)
    await other.click('[aria-label="Remove Repair <b>"]')
    await shows('#log', /Bob removed Repair <b>/)
    await until(async () => await page.innerText('#found') === '', 'nothing found')
    assert.deepEqual(other.errors, [])
    await phone.close()
  })
  await with_page('kanban', { js: false }, async page => {
    await page.fill('[name=name]', 'Cem')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    await page.fill('[name=title]', 'By a form')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    await Promise.all([page.waitForNavigation(), page.click('[aria-label$="to Doing"]')])
    await page.locator('#d1 summary').click()
    await page.setInputFiles('#d1 input', { name: 'a.txt', mimeType: 'text/plain',
      buffer: Buffer.from('a') })
    await Promise.all([page.waitForNavigation(), page.click('#d1 button')])
    assert.match(await page.innerText('#lists'), /Doing\s+By a form\s+a\.txt/)
    await page.fill('[name=q]', 'FORM')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    assert.match(await page.innerText('#found'), /By a form/)
  })
})

test('login and later: there is a way back', async () => {
  await with_page('login', { js: false }, async page => {
    await page.fill('[name=name]', 'ann')
    await page.fill('[name=password]', 'wrong')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    assert.match(await page.innerText('[role=alert]'), /wrong/)
    await page.fill('[name=name]', 'ann')
    await page.fill('[name=password]', 'secret')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    assert.match(await page.innerText('body'), /You are ann/)
  })
  await with_page('later', { js: false }, async page => {
    await page.fill('input', '100')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    assert.match(await page.innerText('body'), /25 primes/)
    await Promise.all([page.waitForNavigation(), page.click('a')])
    assert.equal(await page.locator('form').count(), 1)
  })
})

test('no page asked for anything from another host', () => assert.deepEqual(asked, []))
