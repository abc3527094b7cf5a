#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The board's page, served by a binary for 32-bit ARM under qemu: a pty is its serial port, files
// are its sensors and its input, a command its camera.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Pty } from '../wire/pty.mjs'
import { request, root, Server, test, until } from '../wire/wire.mjs'
import { clients, is_back, open, says_so, user } from './examples.mjs'

const emulator = 'qemu-arm-static'
const lacks = name => {
  try { execFileSync('sh', ['-c', `command -v ${name}`]) } catch { return true }
}
// The board as the README says it is built with a compiler.
const built = new Map()
function build(compiler) {
  if (!built.has(compiler)) {
    const line = RegExp(`^${compiler} .*examples/board\\.c -o board$`, 'm')
      .exec(readFileSync(path.join(root, 'README.md'), 'utf8'))[0]
    const binary = path.join(root, 'build/arch', `board-${compiler}`)
    mkdirSync(path.dirname(binary), { recursive: true })
    execFileSync('sh', ['-c', line.replace(/board$/, binary)], { cwd: root })
    built.set(compiler, binary)
  }
  return built.get(compiler)
}

const below_build = binary => path.relative(path.join(root, 'build'), binary)

for (const client of clients) test(
    `board${client && ' with ' + path.basename(client)}: on ARM`, async t => {
  const compiler = 'arm-linux-gnueabihf-gcc', missing = [emulator, compiler].find(lacks)
  if (missing) return t.skip(`${missing} is not installed: see tests/setup.sh`)
  const binary = build(compiler)
  writeFileSync(`${binary}.sh`, `#!/bin/sh\nexec ${emulator} ${binary} "$@"\n`, { mode: 0o755 })
  const pty = await Pty.open()
  const server = await Server.start(`${below_build(binary)}.sh`, { env: { DATASTAR_JS: client },
    args: ['-t', 'temp', '-g', 'gpio', '-s', pty.path, '-i', '200',
      '-c', 'while sleep .1; do cat *.jpg || exit; done'] })
  const put = (name, bytes) => writeFileSync(path.join(server.dir, name), bytes)
  const context = await user({ height: 1000 }), page = await open(context, server.url)
  const shows = (target, what) => until(async () => what.test(await page.innerText(target)
    .catch(() => '')), `${what} in ${target}`)
  put('a.jpg', await page.screenshot({ type: 'jpeg', clip: { x: 0, y: 0, width: 96, height: 54 } }))
  for (const [temp, text] of [[47300, /47\.3/], [81000, /81\.0/]]) {
    put('temp', `${temp}`)
    await shows('#gauges', text)
  }
  assert.equal(await page.locator('.gauge.hot b').first().innerText(), '81.0')
  await until(() => page.$eval('polyline', line => line.getBoundingClientRect().height > 10),
    'a line')
  assert.match(await page.getAttribute('svg', 'aria-label'), /47\.3 to 81\.0 °C/)
  put('gpio', '1')
  await shows('#input', /on$/)
  put('gpio', '0')
  await shows('#input', /off$/)
  pty.write('hello <i>from</i> the port\r\n')
  await shows('ol', /hello <i>from<\/i> the port/)
  await until(() => page.$eval('#camera', img => img.naturalWidth === 96), 'a picture')

  const bytes = Buffer.alloc(2000000, 'new firmware ')
  await page.setInputFiles('input', { name: 'board.bin', mimeType: 'x/y', buffer: bytes })
  await page.locator('button').focus()
  await page.keyboard.press('Enter')
  await shows('#firmware', /firmware\.bin has 2000000 bytes/)
  assert.equal(await page.$eval('progress', bar => bar.value), 100)
  assert(readFileSync(path.join(server.dir, 'firmware.bin')).equals(bytes))

  await server.restart('SIGKILL', { meanwhile: () => says_so(page) })
  await is_back(page)
  await shows('#gauges', /81\.0/)
  await until(() => page.$eval('#camera', img => img.naturalWidth === 96), 'pictures again')
  mkdirSync(path.join(root, 'build/browser'), { recursive: true })
  await page.screenshot({ path: path.join(root, 'build/browser/board-arm.png') })
  assert.deepEqual(page.errors, [])
  await context.close()
  await server.stops()
  await pty.close()
}, 240000)

test('board: static, with musl', async t => {
  if (lacks('musl-gcc')) return t.skip('musl-gcc is not installed: see tests/setup.sh')
  const binary = build('musl-gcc')
  assert.match(execFileSync('readelf', ['-d', binary], { encoding: 'utf8' }), /no dynamic section/)
  const server = await Server.start(below_build(binary))
  const { status, body } = await request(server, 'GET', '/')
  assert.equal(status, 200)
  assert.match(body, /<h1>Board<\/h1>/)
  console.error(`# the board, static with musl, takes ${server.rss_kb()} KB`)
  await server.stops()
}, 240000)
