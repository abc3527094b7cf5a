#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Shared frames in Chromium: EventSource and fetch, br where a browser offers it (localhost) and
// gzip where not (a plain http name). Every event brings its hash. Joiners come at different times,
// some miss states, streams rest until pings are all there is.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { request, Server, sleep, test, until } from '../wire/wire.mjs'
import { launch, visit } from './browser.mjs'

let server, browser
before(async () => {
  server = await Server.start('asan/frames')
  browser = await launch('--host-resolver-rules=MAP board.test 127.0.0.1')
})
after(async () => {
  await browser?.close()
  await server?.stops()
})

// Runs in the page. Hashes are checked by a SHA-256 of its own: crypto.subtle is there on secure
// origins only.
const watch = ({ path, by, stall_ms }) => {
  const K = [], H = []
  for (let n = 2, found = 0; found < 64; n++) {
    if ([...Array(n).keys()].slice(2).some(k => n % k === 0)) continue
    if (found < 8) H.push((Math.sqrt(n) * 2 ** 32) | 0)
    K[found++] = (Math.cbrt(n) * 2 ** 32) | 0
  }
  const turn = (x, n) => x >>> n | x << 32 - n
  const sha256 = text => {
    const bytes = new TextEncoder().encode(text)
    const size = (bytes.length + 72) & ~63
    const block = new DataView(new ArrayBuffer(size)), h = [...H], w = new Int32Array(64)
    new Uint8Array(block.buffer).set(bytes)
    block.setUint8(bytes.length, 128)
    block.setUint32(size - 4, bytes.length * 8)
    for (let at = 0; at < size; at += 64) {
      for (let i = 0; i < 64; i++) {
        const a = w[i - 15], b = w[i - 2]
        w[i] = i < 16 ? block.getInt32(at + 4 * i) : w[i - 16] +
          (turn(a, 7) ^ turn(a, 18) ^ a >>> 3) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ b >>> 10)
      }
      let [a, b, c, d, e, f, g, k] = h
      for (let i = 0; i < 64; i++) {
        const t = k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + K[i] + w[i] | 0
        const u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c) | 0
        k = g, g = f, f = e, e = d + t | 0, d = c, c = b, b = a, a = t + u | 0
      }
      [a, b, c, d, e, f, g, k].forEach((v, i) => { h[i] = h[i] + v | 0 })
    }
    return h.map(v => (v >>> 0).toString(16).padStart(8, '0')).join('')
  }
  const state = { good: 0, bad: 0, last: {}, over: false }
  ;(window.watching ??= []).push(state)
  const event = data => {
    if (data === 'bye') return void (state.bye = true)
    const at = data.indexOf('\n'), text = data.slice(at + 1)
    sha256(text) === data.slice(0, at) ? state.good++ : state.bad++
    const [, name, number] = /^(\w+) (\d+)\n/.exec(text)
    state.last[name] = Number(number)
  }
  if (by === 'EventSource') {
    const source = new EventSource(path)
    source.onmessage = ({ data }) => event(data)
    source.onerror = () => { state.over = true; source.close() }
    return
  }
  void (async () => {
    try {
      const reader = (await fetch(path)).body.pipeThrough(new TextDecoderStream()).getReader()
      for (let rest = ''; ;) {
        const { done, value } = await reader.read()
        if (done) break
        const events = (rest + value).split('\n\n')
        rest = events.pop()
        for (const text of events) {
          const lines = text.split('\n').filter(line => line.startsWith('data:'))
            .map(line => line.replace(/^data: ?/, ''))
          if (lines.length) event(lines.join('\n'))
        }
        if (stall_ms && Math.random() < 0.2)
          await new Promise(resolve => setTimeout(resolve, stall_ms))
      }
    } catch (error) { state.error = String(error) }
    state.over = true
  })()
}

for (const [coding, host] of [['br', 'localhost'], ['gzip', 'board.test']])
  test(`${coding}, as offered on http://${host}`, async t => {
    const pages = []
    const plans = [['/mix?views=1&topics=ab', 'EventSource'], ['/mix?views=012', 'fetch', 300],
      ['/mix?topics=abc&pattern=1&private=1', 'EventSource'],
      ['/mix?views=13&private=1&own=1', 'fetch'], ['/view/0', 'EventSource'], ['/each', 'fetch']]
    for (const [path, by, stall_ms] of plans) {
      const page = await visit(browser, `http://${host}:${server.port}/`)
      const reply = page.waitForResponse(response => response.url().includes(path))
      await page.evaluate(watch, { path, by, stall_ms })
      assert.equal((await reply).headers()['content-encoding'], coding)
      pages.push(page)
      await sleep(300) // all join at different times
    }
    const states = () => Promise.all(pages.map(page => page.evaluate(() => window.watching[0])))
    await sleep(2000)
    await until(async () => (await states()).every(({ good }) => good > 5),
      'some events for everyone')
    await request(server, 'POST', '/quiet?on=1')
    await sleep(300) // only pings
    // what was touched before the rest is drawn in it
    const drawn = async () => JSON.parse((await request(server, 'POST', '/quiet')).body)
    const newest = async () => {
      const all = await states(), now = await drawn()
      return all[0].last.view1 > 0 && all[1].last.view2 === now[2] && all[4].last.view0 === now[0]
    }
    await until(newest, 'the newest states')
    await request(server, 'POST', '/quiet?on=0')
    await sleep(500) // what comes after the pings fits what was before
    await request(server, 'POST', '/end')
    await until(async () => (await states()).every(state => state.over), 'all streams to end')
    for (const [i, state] of (await states()).entries()) {
      t.diagnostic(`${plans[i].join(' ')}: ${state.good} events`)
      assert.deepEqual([state.bad, state.error,
        state.bye || plans[i][0].startsWith('/mix') === false], [0, undefined, true], plans[i][0])
      assert.deepEqual(pages[i].errors.filter(text => !/net::ERR_INCOMPLETE|favicon/.test(text)),
        [])
      await pages[i].context().close()
    }
  })
