#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Real proxies in front: nginx as it is by default, and nginx and Caddy with the files of
// examples/proxy, with TLS, and HTTP/2 for Chromium.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { after, before } from 'node:test'
import { free_port, listen, request, Server, test, until } from '../wire/wire.mjs'
import { launch_whole, visit } from './browser.mjs'
import { caddy, caddy_site, nginx, nginx_site } from './proxies.mjs'

let server, events, board
const proxies = [], ways = {} // name: a front each for the requests, the events and the board

const app_of = ({ port }) => `127.0.0.1:${port}`

async function by_default() {
  const port = await free_port()
  proxies.push(await nginx(port, `
  server { # but for the place of the server
    listen 127.0.0.1:${port};
    location / { proxy_pass http://${app_of(server)}; }
    location /stream/ { proxy_pass http://${app_of(events)}; }
  }`))
  return [{ port }, { port }]
}

const by_nginx = () => Promise.all([server, events, board].map(async to => {
  const port = await free_port(), redirects = await free_port()
  proxies.push(await nginx(port, nginx_site(app_of(to), { port, redirects })))
  return { port, redirects, tls: true }
}))

async function by_caddy() {
  const ports = await Promise.all([free_port(), free_port(), free_port()])
  proxies.push(await caddy(ports[0], [server, events, board].map((to, i) =>
    caddy_site(app_of(to), { port: ports[i] })).join('\n')))
  return ports.map(port => ({ port, tls: true }))
}

before(async () => {
  server = await Server.start('asan/http', { args: ['trusted_proxies=127.0.0.1'] })
  events = await Server.start('asan/htmx')
  board = await Server.start('asan/frames')
  ways['nginx by default'] = await by_default()
  ways['nginx.conf'] = await by_nginx()
  ways.Caddyfile = await by_caddy()
})

after(async () => {
  for (const proxy of proxies) await proxy.stop()
  for (const started of [server, events, board]) await started?.stops()
})

const through = i => Object.entries(ways).map(([how, fronts]) => [how, fronts[i]])
const example_files = () => through(0).filter(([, { tls }]) => tls)

test('events come through one by one, and leaving is noticed', async () => {
  for (const [how, front] of through(1)) {
    const stream =
      await listen(front, '/stream/news', { headers: { 'Accept-Encoding': 'identity' } })
    assert.equal(stream.headers['content-type'], 'text/event-stream', how)
    for (const text of ['one', 'two', 'three']) {
      await request(events, 'POST', '/publish/news', { body: text })
      await until(() => stream.last?.data === text, `${text}, ${how}`)
    }
    stream.close()
    await until(async () => (await events.stats()).streams === 0, `the stream to end, ${how}`)
  }
})

test('500 requests and bodies, 20 at a time: each gets its own answer', async () => {
  for (const [how, front] of through(0)) {
    const agent = new (front.tls ? https : http).Agent({ keepAlive: true, maxSockets: 20 })
    await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const body = randomBytes(i % 7 === 0 ? 100000 + i : i).toString('hex'), chunked = i % 3 === 0
      const reply = await request(front, 'POST', '/echo', { agent, body,
        headers: chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': body.length } })
      assert.deepEqual([reply.status, reply.body === body], [200, true], `${i}, ${how}`)
    }))
    agent.destroy()
  }
})

test('40 MB up and down', async () => {
  const body = randomBytes(20 << 20).toString('hex')
  const sum = createHash('sha256').update(body).digest('hex')
  for (const [how, front] of through(0)) {
    assert.match((await request(front, 'POST', '/upload', { body })).body, new RegExp(sum), how)
    const reply = await request(front, 'GET', '/big?kb=40000')
    assert.deepEqual([reply.status, reply.body.length], [200, 40000 * 1024], how)
  }
}, 240000)

test('the client is the one that the proxy names', async () => {
  const peer = async (front, headers) =>
    JSON.parse((await request(front, 'GET', '/show/me', { headers })).body).peer
  const [front] = ways['nginx.conf']
  assert.equal(await peer(front, { 'X-Forwarded-For': '203.0.113.9' }), '203.0.113.9',
    'of a proxy that is trusted')
  assert.equal(await peer(front, { 'X-Forwarded-For': '203.0.113.9, 198.51.100.7' }),
    '198.51.100.7', 'the nearest that is not')
  assert.equal(await peer(ways.Caddyfile[0], { 'X-Forwarded-For': '203.0.113.9' }), '127.0.0.1',
    'Caddy believes no client')
  for (const [how, front] of example_files())
    assert.equal(await peer(front, { Forwarded: 'for=203.0.113.9' }), '127.0.0.1', how)
})

test('cookies are Secure, as the proxy speaks TLS', async () => {
  for (const [how, front] of example_files()) {
    const { headers } = await request(front, 'GET', '/cookies')
    assert.match(headers['set-cookie'].find(line => line.startsWith('plain=')), /; Secure/, how)
  }
  const [plain] = ways['nginx by default'], { headers } = await request(plain, 'GET', '/cookies')
  assert.doesNotMatch(headers['set-cookie'].find(line => line.startsWith('plain=')), /; Secure/)
})

test('a body above the limit of the file never gets to the program whole', async () => {
  const body = Buffer.alloc((64 << 20) + 1)
  for (const [how, front] of example_files()) {
    const upload = await request(front, 'POST', '/upload', { body }).catch(error => error)
    assert(upload.status >= 400 || upload.code, `${how}: ${upload.status}`)
  }
})

test('http leads to https', async () => {
  const { status, headers } =
    await request({ port: ways['nginx.conf'][0].redirects }, 'GET', '/a?b=c')
  assert.deepEqual([status, headers.location], [301, 'https://127.0.0.1/a?b=c'])
})

for (const file of ['nginx.conf', 'Caddyfile'])
  test(`${file}, TLS and HTTP/2: twelve streams of one page, br, every event whole`, async () => {
    const browser = await launch_whole('--ignore-certificate-errors')
    try {
      const page = await visit(browser, `https://localhost:${ways[file][2].port}/`), replies = []
      page.on('response',
        response => { if (response.url().includes('/view/')) replies.push(response) })
      await page.evaluate(() => {
        window.seen = Array.from({ length: 12 }, () => ({ good: 0, bad: 0 }))
        window.seen.forEach((state, i) => {
          new EventSource(`/view/${i % 2}?${i}`).onmessage = async ({ data }) => {
            const at = data.indexOf('\n')
            const sum = new Uint8Array(
              await crypto.subtle.digest('SHA-256', new TextEncoder().encode(data.slice(at + 1))))
            state[[...sum].map(byte => byte.toString(16).padStart(2, '0'))
              .join('') === data.slice(0, at) ? 'good' : 'bad']++
          }
        })
      })
      await until(() => page.evaluate(() => window.seen.every(({ good }) => good >= 10)),
        'ten events in each of twelve streams')
      assert.deepEqual(await page.evaluate(() => window.seen.map(({ bad }) => bad)),
        Array(12).fill(0))
      for (const reply of replies)
        assert.equal((await reply.allHeaders())['content-encoding'], 'br')
      assert.equal(await page.evaluate(() =>
        performance.getEntriesByType('navigation')[0].nextHopProtocol), 'h2')
      const posted =
        await page.evaluate(async () => (await fetch('/quiet?on=0', { method: 'POST' })).status)
      assert.equal(posted, 200, 'the origin https://localhost is the page\'s own')
      assert.deepEqual(page.errors, [])
    } finally {
      await browser.close()
    }
  })
