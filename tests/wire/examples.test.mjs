#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Each example starts, answers, does its one thing and stops.
import assert from 'node:assert/strict'
import { answers, elements, listen, post, request, root, Server, test, until } from './wire.mjs'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

test('hello', async t => {
  if (!process.env.CI && await answers(8000)) return t.skip('somebody else is on port 8000, the one that hello names')
  const server = await Server.start('hello', { port: 8000 })
  const { status, headers, body } = await request(server, 'GET', '/?name=%3Cyou%3E')
  assert.equal(status, 200)
  assert.match(headers['content-type'], /^text\/html/)
  assert.equal(body, '<h1>hello &lt;you&gt;</h1>')
  assert.equal((await request(server, 'GET', '/')).body, '<h1>hello </h1>')
  await server.stops()
})

test('chat', async () => {
  const server = await Server.start('chat', { env: { DATASTAR_JS: path.join(root, 'tests/browser/mini-datastar.js') } })
  const page = await request(server, 'GET', '/')
  assert.match(page.body, /^<!doctype html>.*src="\/datastar\.js".*<\/html>\n$/s)
  assert.equal((await request(server, 'GET', '/datastar.js')).body, readFileSync(path.join(root, 'tests/browser/mini-datastar.js'), 'utf8'))
  const feed = await listen(server, '/feed')
  assert.equal((await post(server, '/say', { text: 'a < b' })).status, 204)
  await until(() => elements(feed.last)?.includes('<p>a &lt; b</p>'), 'the message')
  assert.equal((await post(server, '/say', {})).status, 400)
  feed.close()
  await server.stops()
})

test('chat without DATASTAR_JS names the client by its address', async () => {
  const server = await Server.start('chat')
  assert.match((await request(server, 'GET', '/')).body, /src="https:\/\/cdn\.jsdelivr\.net\/gh\/starfederation\/datastar@v1\.\d+\.\d+\/bundles\/datastar\.js"/)
  assert.equal((await request(server, 'GET', '/datastar.js')).status, 404)
  await server.stops()
})

test('sensor', async () => {
  const server = await Server.start('sensor')
  assert.match((await request(server, 'GET', '/')).body, /new EventSource\('\/events'\)/)
  const events = await listen(server, '/events')
  await until(() => events.events.length >= 2, 'two readings')
  for (const { event, data } of events.events) {
    assert.equal(event, 'reading')
    assert.match(data, /^\{"temp":-?\d+\.\d\}$/)
  }
  events.close()
  await server.stops()
})

test('life', async () => {
  const server = await Server.start('life')
  assert.match((await request(server, 'GET', '/')).body, /data-init="@get\('\/board'\)"/)
  const board = await listen(server, '/board', { headers: { 'Accept-Encoding': 'br' } })
  const colors = event => [...elements(event).matchAll(/<i id="c\d+" class="c(\d)">/g)].map(match => Number(match[1]))
  await until(() => board.events.length >= 3, 'three generations')
  assert.equal(colors(board.last).length, 2500)
  assert.match(elements(board.last), /<dt>1 watching<\/dt>/)
  assert.equal((await post(server, '/tap?cell=1225', {})).status, 204)
  await until(() => board.events.some(event => colors(event)[1225] > 0), 'the cell to be alive')
  assert.equal((await post(server, '/tap?cell=2500', {})).status, 400)
  await until(() => board.events.length >= 12, 'more generations')
  const html = board.events.reduce((sum, { data }) => sum + data.length, 0)
  assert(html > 20 * board.bytes, `${html} bytes arrived as ${board.bytes}`)
  board.close()
  await server.stops()
})

test('numbers', async () => {
  const server = await Server.start('numbers')
  assert.match((await request(server, 'GET', '/')).body, /new EventSource\('\/count/)
  const numbers = await listen(server, '/count?from=3&to=5&ms=10')
  await until(() => numbers.closed, 'the end')
  assert.deepEqual(numbers.events.map(({ event, data }) => [event, data]), [['message', '3'], ['message', '4'], ['message', '5'], ['done', '']])
  await server.stops()
})

test('rooms', async () => {
  const server = await Server.start('rooms')
  assert.match((await request(server, 'GET', '/?room=a%20b&me=%22ann')).body, /data-feed="\/room\/a%20b\/%22ann"/)
  const say = text => request(server, 'POST', '/room/garden/bob', { body: new URLSearchParams({ text }).toString(), headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })
  const ann = await listen(server, '/room/garden/ann')
  await until(() => ann.last?.event === 'here', 'ann to be here')
  assert.equal(ann.last.data, '<li>ann</li>')
  assert.equal((await say('1 < 2')).status, 204)
  await until(() => ann.last.event === 'said', 'the message')
  assert.equal(ann.last.data, '<p><b>bob</b>1 &lt; 2</p>')
  const id = ann.last.id
  await say('missed')
  await server.restart()
  const again = await listen(server, '/room/garden/ann', { headers: { 'Last-Event-ID': id } })
  const bob = await listen(server, '/room/garden/bob')
  await until(() => again.last?.data.includes('bob</li>'), 'bob to be here')
  assert.deepEqual(again.events.filter(event => event.event !== 'here').map(event => event.data), ['<p><b>bob</b>missed</p>'])
  await until(() => bob.events.filter(event => event.event === 'said').length === 2, 'the greeting')
  again.close()
  bob.close()
  await server.stops()
})

test('outbox', async () => {
  const server = await Server.start('outbox')
  assert.match((await request(server, 'GET', '/')).body, /new EventSource\('\/feed'\)/)
  const order = item => request(server, 'POST', '/order', { body: new URLSearchParams({ item }).toString(), headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })
  const feed = await listen(server, '/feed')
  assert.equal((await order("tea; it's hot")).status, 204)
  assert.equal((await order('')).status, 400)
  await until(() => feed.last, 'the order')
  assert.deepEqual([feed.last.data, feed.last.id], ["ordered: tea; it's hot", '1'])
  await order('missed')
  await server.restart('SIGKILL')
  await order('later')
  const again = await listen(server, '/feed', { headers: { 'Last-Event-ID': '1' } })
  const greeted = await listen(server, '/feed')
  await until(() => again.events.length === 2 && greeted.events.length === 3, 'what was missed')
  assert.deepEqual(again.events.map(event => event.data), ['ordered: missed', 'ordered: later'])
  again.close()
  greeted.close()
  await server.stops()
})

test('login', async () => {
  const server = await Server.start('login', { env: { PASSWORD: 'open sesame' } })
  const form = (target, fields, headers) => request(server, 'POST', target,
    { body: new URLSearchParams(fields).toString(), headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers } })
  const page = async cookie => (await request(server, 'GET', '/', { headers: cookie ? { Cookie: cookie } : {} })).body
  assert.match(await page(), /action="\/login"/)
  for (const fields of [{}, { name: 'ann' }, { name: 'ann', password: 'x' }, { name: 'bob', password: 'open sesame' }])
    assert.equal((await form('/login', fields)).status, 403)
  assert.equal((await form('/login', { name: 'ann', password: 'open sesame' }, { Origin: 'https://elsewhere.example' })).status, 403)
  const done = await form('/login', { name: 'ann', password: 'open sesame' })
  assert.deepEqual([done.status, done.headers.location], [303, '/'])
  const [set] = [done.headers['set-cookie']].flat(), cookie = set.split(';')[0]
  assert.match(set, /; HttpOnly/)
  assert.match(set, /; SameSite=Lax/)
  assert.match(await page(cookie), /You are ann\..*action="\/logout"/)
  assert.match(await page(cookie.replace('session=', 'session=x')), /action="\/login"/)
  const out = await form('/logout', {}, { Cookie: cookie })
  assert.deepEqual([out.status, out.headers.location], [303, '/'])
  assert.match([out.headers['set-cookie']].flat()[0], /^session=; .*Max-Age=0/)
  await server.stops()
})

test('later', async () => {
  const server = await Server.start('later')
  assert.match((await request(server, 'GET', '/')).body, /action="\/primes"/)
  const [long, short] = await Promise.all([request(server, 'GET', '/primes?below=200000'), request(server, 'GET', '/primes?below=100')])
  assert.equal(long.body, '<p>17984 primes are below 200000</p>')
  assert.equal(short.body, '<p>25 primes are below 100</p>')
  await server.stops()
})

test('examples are short, and each is tested here', () => {
  const tests = readFileSync(new URL(import.meta.url), 'utf8')
  for (const file of readdirSync(path.join(root, 'examples')).filter(name => name.endsWith('.c'))) {
    assert(readFileSync(path.join(root, 'examples', file), 'utf8').split('\n').length < 150, file)
    assert(tests.includes(`test('${file.replace(/\..*/, '')}`), `${file} has a test`)
  }
})
