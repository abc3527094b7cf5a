// make pictures: runs the examples, does what people do there, and writes what a phone shows to
// examples/*.png, for the README. With names as arguments: only these.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Pty } from '../wire/pty.mjs'
import { Redis } from '../wire/redis.mjs'
import { listen, request, root, Server, sleep, until } from '../wire/wire.mjs'
import { launch } from './browser.mjs'

const browser = await launch()
const width = 390, height = 540, large = 780, most = 60000, most_of_all = 700000
const written = []

const phone = async (url, { scheme = 'light', high = height } = {}) => {
  const context = await browser.newContext({ viewport: { width, height: high },
    colorScheme: scheme, reducedMotion: 'reduce' })
  const page = await context.newPage()
  await page.goto(url)
  return page
}
const file = name => path.join(root, 'examples', `${name}.png`)
const shoot = async (page, name) => {
  await page.bringToFront()
  await page.screenshot({ path: file(name) })
  written.push(name)
}
const send = (server, target, fields, headers = {}) => request(server, 'POST', target,
  { body: new URLSearchParams(fields).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers } })
const says = (page, what) =>
  until(async () => (await page.innerText('body').catch(() => '')).includes(what), what, 30000)

// A drawing as JPEG, for a camera.
async function jpeg(page, at) {
  const url = await page.evaluate(at => {
    const canvas = document.createElement('canvas'), c = canvas.getContext('2d')
    canvas.width = 480
    canvas.height = 270
    const fill = (color, ...box) => { c.fillStyle = color; c.fillRect(...box) }
    fill('#b9d4e6', 0, 0, 480, 170)
    fill('#8aa37b', 0, 170, 480, 100)
    fill('#6d5a4a', 60, 90, 120, 100)
    fill('#3d4b57', 95, 120, 40, 40)
    c.fillStyle = '#f2d680'
    c.beginPath()
    c.arc(400, 55, 26, 0, 7)
    c.fill()
    fill('#c05a3c', 200 + 10 * at, 165, 70, 26)
    return canvas.toDataURL('image/jpeg', 0.7)
  }, at)
  return Buffer.from(url.split(',')[1], 'base64')
}

const pictures = {
  async chat(server) {
    for (const text of ['Has anyone fed the cat?', 'I did, an hour ago', 'She says you did not',
      '<b>The cat</b> is not to be trusted'])
      await send(server, '/say', { text })
    const shots = []
    for (const scheme of ['light', 'dark']) {
      const page = await phone(server.url, { scheme, high: 460 })
      await says(page, 'trusted')
      shots.push((await page.screenshot()).toString('base64'))
    }
    const both = await browser.newPage({ viewport: { width: 860, height: 500 } })
    await both.setContent('<style>body { margin: 0; height: 100vh; display: flex; gap: 40px;' +
      'background: #8b938f; place-content: center; place-items: center }' +
      'img { border-radius: 14px }</style>' +
      shots.map(shot => `<img src="data:image/png;base64,${shot}">`).join(''))
    await shoot(both, 'chat')
  },

  async rooms(server) {
    const at = me => `/?room=garden&me=${me}`
    for (const [me, text] of [['bob', 'The tomatoes are out'], ['ann', 'Already? Leave me some'],
      ['cem', 'I will bring salt'], ['bob', 'And bread. At six?'], ['ann', 'At six, then']])
      await send(server, at(me), { text, key: text })
    const others = await Promise.all(['bob', 'cem'].map(me => listen(server, '/feed' + at(me)
      .slice(1))))
    const page = await phone(server.url + at('ann'), { scheme: 'dark' })
    await says(page, 'cem')
    await sleep(1000)
    await shoot(page, 'rooms')
    others.forEach(stream => stream.close())
  },

  async outbox(server) {
    const page = await phone(server.url)
    for (const item of ['Tea, green', 'Two croissants', 'A book on bees', 'Oil for the gate',
      'Envelopes', 'A ladder of 3 m']) await send(server, '/order', { item, key: item })
    await says(page, 'ladder')
    await shoot(page, 'outbox')
  },

  async processes(server) {
    const page = await phone(server.url)
    for (let i = 0; i < 24; i++)
      await request(server, 'POST', `/press?key=${i}`, { agent: false })
    await until(() => page.locator('li[data-id="24"]').count(), 'the last press')
    await shoot(page, 'processes')
  },

  async numbers(server) {
    const page = await phone(server.url, { scheme: 'dark' })
    await until(async () => Number(await page.innerText('output')) >= 7, 'seven')
    await shoot(page, 'numbers')
  },

  async sensor(server) {
    const page = await phone(server.url)
    await says(page, 'now')
    await shoot(page, 'sensor')
  },

  async progress(server) {
    const page = await phone(server.url, { scheme: 'dark' })
    await page.fill('input', '4000000')
    await page.keyboard.press('Enter')
    await until(async () => await page.$eval('progress', bar => bar.value) >= 60, '60 %', 120000)
    await shoot(page, 'progress')
    await page.click('#stop')
  },

  async ssecat(server) {
    const page = await phone(server.url)
    const lines = ['usb 1-1: new high-speed USB device number 4 using xhci_hcd',
      'usb 1-1: New USB device found, idVendor=10c4, idProduct=ea60',
      'usb 1-1: Product: CP2102N USB to UART Bridge Controller',
      'cp210x 1-1:1.0: cp210x converter detected', 'usb 1-1: cp210x converter now attached to ' +
      'ttyUSB0', 'EXT4-fs (sda1): mounted filesystem with ordered data mode',
      'wlan0: associated', 'IPv6: ADDRCONF(NETDEV_CHANGE): wlan0: link becomes ready']
    lines.forEach((line, i) => server.child.stdin.write(`[${(212.4 + i * 0.37).toFixed(6)}] ` +
      `${line}\n`))
    await says(page, 'becomes ready')
    await sleep(300)
    await shoot(page, 'ssecat')
    server.child.stdin.end()
  },

  async files(server) {
    for (const name of ['about.html', 'index.css', 'pictures.html', 'notes for May.txt'])
      writeFileSync(path.join(server.dir, name), '')
    mkdirSync(path.join(server.dir, 'drafts'))
    const page = await phone(server.url, { scheme: 'dark' })
    await says(page, 'drafts')
    await shoot(page, 'files')
  },

  async login(server) {
    const page = await phone(`${server.url}/?wrong`)
    await page.fill('[name=name]', 'ann')
    await page.fill('[name=password]', 'open sesame')
    await shoot(page, 'login')
  },

  async later(server) {
    const page = await phone(server.url, { scheme: 'dark' })
    await shoot(page, 'later')
  },

  async todo(server) {
    const page = await phone(server.url)
    await page.fill('[name=name]', 'ann')
    await page.fill('[name=password]', 'open sesame')
    await page.click('text=Join')
    await page.waitForSelector('#add', { timeout: 30000 })
    for (const title of ['Water the beans', 'Call the plumber', 'Milk, bread, salt',
      'Return the ladder']) {
      await page.fill('#add input', title)
      await page.keyboard.press('Enter')
      await says(page, title)
    }
    await page.click('text=Call the plumber')
    await until(() => page.locator('[aria-pressed=true]').count(), 'one done')
    await page.mouse.move(0, 0)
    await shoot(page, 'todo')
  },

  async tested(server) {
    const page = await phone(server.url, { scheme: 'dark' })
    await send(server, '/start', { minutes: 5 })
    await says(page, '4:5')
    await shoot(page, 'tested')
  },

  async life(server) {
    const page = await phone(server.url, { scheme: 'dark', high: large })
    for (let i = 0; i < 6; i++) await send(server, '/tap', {})
    await sleep(4000)
    await shoot(page, 'life')
  },

  async monitor(server) {
    const url = (of, who) => `/topic/${of}?label=${of}${who ? `&who=${who}` : ''}`
    const streams = await Promise.all([url('chat', 'anna'), url('chat', 'bert'), url('prices'),
      url('prices')].map(target => listen(server, target)))
    const page = await phone(`${server.url}/_sse`, { high: large })
    for (let i = 0; i < 60; i++) {
      for (let n = 4 + 3 * Math.sin(i / 4); n > 0; n--)
        await request(server, 'POST', '/topic/prices', { body: `${i}`.repeat(20) })
      await sleep(100)
    }
    await shoot(page, 'monitor')
    streams.forEach(stream => stream.close())
  },

  async board(server) {
    const put = (name, text) => writeFileSync(path.join(server.dir, name), text)
    const page = await phone(server.url, { high: large, scheme: 'dark' })
    for (let i = 0; i < 3; i++) put(`${i}.jpg`, await jpeg(page, i))
    put('gpio', '1')
    for (let i = 0; i < 130; i++) {
      put('temp', `${Math.round(46000 + 4000 * Math.sin(i / 17) + 900 * Math.sin(i / 3))}`)
      if (i % 16 === 0)
        server.pty.write(`pump ${i / 16 % 2 ? 'on' : 'off'}, ${1200 + i * 3} rpm\r\n`)
      await sleep(60)
    }
    await until(() => page.$eval('img', img => img.naturalWidth > 100), 'a picture')
    await sleep(500)
    await shoot(page, 'board')
  },

  async tabs(server) {
    const page = await phone(server.url)
    for (let i = 0; i < 4; i++) await page.context().newPage().then(tab => tab.goto(server.url))
    await until(async () => await page.innerText('#streams') === '1', 'one stream', 60000)
    for (let i = 0; i < 12; i++) await request(server, 'POST', '/press?script')
    await until(async () => await page.innerText('#seen') === '12', 'all presses')
    await shoot(page, 'tabs')
  },

  async weather(server) {
    const page = await phone(server.url, { scheme: 'dark' })
    await says(page, 'wind')
    await shoot(page, 'weather')
  },

  async embed(server) {
    const page = await phone(server.url)
    server.child.stdin.write('valve 3 open\nvalve 4 open\npressure 1.8 bar\n')
    await says(page, '1.8 bar')
    await sleep(2000)
    await shoot(page, 'embed')
    server.child.stdin.end()
  },

  async kanban(server) {
    const people = await Promise.all(['Bob', 'Cem', 'Ann'].map(async name => {
      const page = await phone(server.url, { high: large })
      await page.fill('[name=name]', name)
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
      return page
    })), page = people[2]
    for (const title of ['Order the seeds', 'Repair the pump', 'Paint the gate']) {
      await page.fill('[name=title]', title)
      await page.keyboard.press('Enter')
      await says(page, title)
    }
    await people[0].click('[aria-label="Repair the pump: to Doing"]')
    await says(page, 'moved to Doing')
    await page.setInputFiles('[aria-label="File for Repair the pump"]',
      { name: 'pump.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-') })
    await page.locator('#d2 summary').click()
    await page.click('#d2 button')
    await says(page, 'pump.pdf')
    await page.locator('#d2 summary').click()
    await page.fill('[name=q]', 'pump')
    await until(() => page.locator('#found li').count(), 'what is found')
    await page.evaluate(() => document.activeElement.blur())
    await shoot(page, 'kanban')
  },

  async cluster(server) {
    for (const [me, text] of [['bob', 'Node 1 goes down at noon'], ['ann', 'And where do we go?'],
      ['bob', 'To node 2. Nobody will notice'], ['ann', 'We shall see']])
      await send(server, `/?me=${me}`, { text })
    const others = await Promise.all(['bob', 'ann'].map(me => listen(server, `/feed?me=${me}`)))
    const page = await phone(`${server.url}/?me=cem`)
    await says(page, 'shall see')
    await sleep(2500)
    await shoot(page, 'cluster')
    others.forEach(stream => stream.close())
  },
}

const only = process.argv.slice(2)
for (const [name, picture] of Object.entries(pictures)) {
  if (only.length && !only.includes(name)) continue
  const redis = name === 'cluster' && await Redis.start()
  const pty = name === 'board' && await Pty.open()
  const server = await Server.start(name === 'monitor' ? 'asan/monitor' : name, {
    env: redis ? { REDIS: redis.sock } : {},
    input: ['ssecat', 'embed'].includes(name) ? 'pipe' : 'ignore',
    args: pty ? ['-t', 'temp', '-g', 'gpio', '-s', pty.path, '-i', '60', '-c',
      'while sleep .1; do cat *.jpg || exit; done'] : [] })
  server.pty = pty
  await picture(server)
  for (const context of browser.contexts()) await context.close()
  await server.stop()
  if (redis) await redis.kill()
  if (pty) await pty.close()
}
await browser.close()

let all = 0
for (const name of Object.keys(pictures)) {
  const { size } = statSync(file(name))
  if (written.includes(name)) console.log(`examples/${name}.png: ${size} bytes`)
  assert(size <= most, `${name}.png has ${size} bytes`)
  assert.equal(readFileSync(file(name)).subarray(1, 4).toString(), 'PNG')
  all += size
}
console.log(`${Object.keys(pictures).length} pictures: ${all} bytes`)
assert(all <= most_of_all)
