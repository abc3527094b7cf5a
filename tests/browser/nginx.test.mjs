#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// A real nginx in front: as its documentation sets one up, with and without kept connections, and
// with TLS and HTTP/2 for Chromium.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { after, before } from 'node:test'
import { listen, request, Server, test, until } from '../wire/wire.mjs'
import { launch, visit } from './browser.mjs'
import { free_port, nginx } from './proxies.mjs'

let server, events, board, proxy, kept, each, secure

before(async () => {
  server = await Server.start('asan/http', { args: ['trusted_proxies=127.0.0.1'] })
  events = await Server.start('asan/htmx')
  board = await Server.start('asan/frames')
  ;[kept, each, secure] = await Promise.all([free_port(), free_port(), free_port()])
  proxy = await nginx(kept, `
  upstream pool { server 127.0.0.1:${server.port}; keepalive 4; }
  upstream events { server 127.0.0.1:${events.port}; keepalive 4; }
  server { # all by default, but for the place of the server
    listen 127.0.0.1:${each};
    location / { proxy_pass http://127.0.0.1:${server.port}; }
    location /stream/ { proxy_pass http://127.0.0.1:${events.port}; }
  }
  server { # as its documentation tells for kept connections
    listen 127.0.0.1:${kept};
    proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host localhost; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    location / { proxy_pass http://pool; }
    location /stream/ { proxy_pass http://events; }
  }
  server {
    listen 127.0.0.1:${secure} ssl http2; ssl_certificate cert.pem; ssl_certificate_key key.pem;
    location / {
      proxy_pass http://127.0.0.1:${board.port}; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }`)
})

after(async () => {
  await proxy?.stop()
  for (const started of [server, events, board]) await started?.stops()
})

const through = () => [['by default', { port: each }], ['with kept connections', { port: kept }]]

test('events come through one by one, and leaving is noticed', async () => {
  for (const [how, front] of through()) {
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
  for (const [how, front] of through()) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
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
  for (const [how, front] of through()) {
    assert.match((await request(front, 'POST', '/upload', { body })).body, new RegExp(sum), how)
    const reply = await request(front, 'GET', '/big?kb=40000')
    assert.deepEqual([reply.status, reply.body.length], [200, 40000 * 1024], how)
  }
})

test('the client is the one that nginx names', async () => {
  const peer = async (port, headers) =>
    JSON.parse((await request({ port }, 'GET', '/show/me', { headers })).body).peer
  assert.equal(await peer(kept, { 'X-Forwarded-For': '203.0.113.9' }), '203.0.113.9',
    'of a proxy that is trusted')
  assert.equal(await peer(kept, { 'X-Forwarded-For': '203.0.113.9, 198.51.100.7' }), '198.51.100.7',
    'the nearest that is not')
})

test('TLS and HTTP/2: twelve streams of one page, br, every event whole', async () => {
  const browser = await launch('--ignore-certificate-errors')
  try {
    const page = await visit(browser, `https://localhost:${secure}/`), replies = []
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
      'ten events in each of twelve streams', 30000)
    assert.deepEqual(await page.evaluate(() => window.seen.map(({ bad }) => bad)),
      Array(12).fill(0))
    for (const reply of replies) assert.equal((await reply.allHeaders())['content-encoding'], 'br')
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
