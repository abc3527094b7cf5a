#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The monitor as its page and as Prometheus see it, and who may.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import net from 'node:net'
import { after, before } from 'node:test'
import { listen, request, Server, sleep, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/monitor') })
after(() => server.stops())

const state = stream => JSON.parse(stream.last.data)
const closing = (id, headers = {}, prefix = '/_sse') => request(server, 'POST', prefix + '/close', {
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body: `id=${id}` })
const counters = async () => JSON.parse((await request(server, 'GET', '/counters')).body)

// Prometheus text format 0.0.4, by its description:
// { name: { type, help, samples: { labels: value } } }.
function parse(text) {
  const metrics = {}
  let last
  assert(text.endsWith('\n'))
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (comment) {
      const [, kind, name, value] = comment
      metrics[name] ??= { samples: {} }
      assert(!(kind.toLowerCase() in metrics[name]), `one ${kind} for ${name}`)
      assert.deepEqual(metrics[name].samples, {}, `${kind} before the samples`)
      metrics[name][kind.toLowerCase()] = value
      last = name
      continue
    }
    const label = '[a-zA-Z_]\\w*="[^"\\\\\\n]*"'
    const labels = `(?:\\{(${label}(?:,${label})*)\\})?`
    const sample = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)${labels} (\\d+)$`).exec(line)
    assert(sample, `a sample: ${line}`)
    assert.equal(sample[1], last, 'the samples of a metric stand together')
    assert(!((sample[2] ?? '') in metrics[last].samples), `once: ${line}`)
    metrics[last].samples[sample[2] ?? ''] = Number(sample[3])
  }
  return metrics
}

test('the page is whole: no outside files, nothing inline', async () => {
  const { status, headers, body } = await request(server, 'GET', '/_sse')
  assert.equal(status, 200)
  assert.match(headers['content-security-policy'], /default-src 'none'/)
  assert.doesNotMatch(body, /https?:|<style|<script>| style=| on\w+=/)
  const files = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(match => match[1])
    .filter(url => !url.startsWith('data:'))
  assert.deepEqual(files, ['_sse/monitor.css', '_sse/monitor.js'])
  for (const file of files) {
    const reply = await request(server, 'GET', '/' + file)
    assert.equal(reply.status, 200)
    assert.match(reply.headers['content-type'],
      file.endsWith('css') ? /^text\/css/ : /^text\/javascript/)
    assert.doesNotMatch(reply.body, /https?:\/\/(?!www\.w3\.org)/)
  }
})

// N1
test('nothing is computed while nobody watches', async () => {
  const quiet = await counters()
  assert.equal(quiet.views, 0)
  await sleep(2500)
  assert.deepEqual(await counters(), quiet)
  const watching = await listen(server, '/_sse/live')
  await until(() => watching.events.length >= 3, 'three states')
  const { renders } = await counters()
  assert(renders >= quiet.renders + 3)
  watching.close()
  await until(async () => (await counters()).views === 0, 'the view to go')
  const after = await counters()
  await sleep(2500)
  assert.deepEqual(await counters(), after)
})

test('streams, topics and views are told, with rates', async () => {
  const watching = await listen(server, '/_sse/live')
  const chat = await listen(server, '/topic/chat.%22x%22?label=chat&who=%3Cb%3Eanna')
  const clock = await listen(server, '/clock/utc')
  await until(() => watching.last && state(watching).streams === 3, 'all three streams')
  let now = state(watching)
  const row = now.rows.find(row => row[1] === 'chat')
  assert.deepEqual(row.slice(1, 4), ['chat', '<b>anna', '127.0.0.1'])
  assert.deepEqual(now.topics, [['chat."x"', 1]])
  assert.equal(now.topics_all, 1)
  assert.equal(now.views.length, 2)
  for (let i = 0; i < 40; i++)
    await request(server, 'POST', '/topic/chat.%22x%22', { body: 'hello' })
  await until(() => {
    now = state(watching)
    return Object.values(now.samples.requests).reduce((a, b) => a + b, 0) >= 35
  }, 'the requests to show')
  assert(Math.max(...now.samples.delivered) > 0 && Math.max(...now.samples.bytes_out) > 0)
  const lengths = new Set(Object.values(now.samples).map(list => list.length))
  assert.equal(lengths.size, 1)
  for (const stream of [watching, chat, clock]) stream.close()
})

test('a stream is closed by its row, once, by who may', async () => {
  const watching = await listen(server, '/_sse/live')
  const one = await listen(server, '/topic/news?label=one')
  const two = await listen(server, '/topic/news?label=two')
  await until(() => watching.last && state(watching).streams === 3, 'the streams')
  const id = label => state(watching).rows.find(row => row[1] === label)[0]
  assert.equal((await closing(id('one'), { Origin: 'http://evil.example' })).status, 403)
  assert.equal((await closing(id('one'), { 'Sec-Fetch-Site': 'cross-site' })).status, 403)
  assert.equal((await closing(id('one'), { Host: 'evil.example' })).status, 421)
  assert.equal((await request(server, 'GET', '/_sse/close?id=' + id('one'))).status, 405)
  assert.equal((await closing(id('one'), {}, '/admin/monitor')).status, 401)
  assert.equal(one.closed, false)
  const gone = id('one')
  assert.equal((await closing(gone, { Origin: server.url })).status, 204)
  await until(() => one.closed, 'the stream to end')
  assert.equal((await closing(gone)).status, 404)
  assert.equal((await closing(id('two'), { 'X-Key': 'sesame' }, '/admin/monitor')).status, 204)
  await until(() => two.closed, 'the other')
  for (const bad of ['', 'x', '1', '-1', '1-', '99999999999-1', '1-99999999999', '1-1-1', '0-0']) {
    const { status } = await closing(encodeURIComponent(bad))
    assert(status === 400 || status === 404, `${bad}: ${status}`)
  }
  watching.close()
})

test('all of it is behind the guard', async () => {
  for (const path of ['', '/monitor.js', '/monitor.css', '/live', '/metrics']) {
    assert.equal((await request(server, 'GET', '/admin/monitor' + path)).status, 401, path)
    if (path !== '/live')
      assert.equal((await request(server, 'GET', `/admin/monitor${path}?key=sesame`)).status,
        200, path)
  }
  const watching = await listen(server, '/admin/monitor/live?key=sesame')
  assert.equal(watching.status, 200)
  watching.close()
})

test('without a guard it is for this machine alone', async () => {
  const open = await Server.start('asan/monitor', { args: ['0.0.0.0'] })
  for (const path of ['', '/live', '/metrics', '/close']) {
    const reply = await request(open, path === '/close' ? 'POST' : 'GET', '/_sse' + path)
    assert.equal(reply.status, 403, path)
  }
  assert.equal((await request(open, 'GET', '/admin/monitor?key=sesame')).status, 200)
  await open.stops()
})

test('metrics are Prometheus text, without names of topics', async () => {
  const watching = [await listen(server, '/topic/secret-name'),
    await listen(server, '/topic/other?label=kind-of-it')]
  await request(server, 'GET', '/nothing/here')
  const { headers, body } = await request(server, 'GET', '/_sse/metrics')
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const metrics = parse(body)
  for (const [name, { type, help }] of Object.entries(metrics)) {
    assert.match(name, /^sse_/)
    assert(help && (type === 'gauge' || type === 'counter'), name)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
  }
  assert.equal(metrics.sse_streams.samples[''], 2)
  assert.equal(metrics.sse_topics.samples[''], 2)
  assert(metrics.sse_error_replies_total.samples['class="4xx"'] > 0)
  assert(metrics.sse_streams_closed_total.samples['reason="end"'] >= 2)
  assert.doesNotMatch(body, /secret-name|kind-of-it/)
  const later = parse((await request(server, 'GET', '/_sse/metrics')).body)
  for (const [name, { type, samples }] of Object.entries(metrics))
    if (type === 'counter')
      for (const labels in samples)
        assert(later[name].samples[labels] >= samples[labels], `${name} never falls`)
  assert(later.sse_requests_total.samples[''] > metrics.sse_requests_total.samples[''])
  if (spawnSync('promtool', ['--version']).status === 0)
    execFileSync('promtool', ['check', 'metrics'], { input: body })
  watching.forEach(stream => stream.close())
})

test('five hundred streams: two hundred rows, those that wait first', async () => {
  const sockets = []
  for (let i = 0; i < 500; i++) {
    const socket = await server.socket({ read: false })
    socket.write('GET /topic/crowd HTTP/1.1\r\nHost: localhost\r\n\r\n')
    socket.pause()
    sockets.push(socket)
  }
  await until(async () => (await counters()).streams === 500, 'the streams')
  const stuck = net.connect(server.port, '127.0.0.1')
  stuck.write('GET /topic/flood?label=stuck HTTP/1.1\r\nHost: localhost\r\n\r\n')
  stuck.pause()
  await until(async () => (await counters()).streams === 501, 'one that does not read')
  const flood = async () => { // until something waits behind what the kernel took
    await request(server, 'POST', '/topic/flood', { body: 'x'.repeat(300000) })
    return (await counters()).queue_high > 310000
  }
  await until(flood, 'a queue')
  const watching = await listen(server, '/_sse/live')
  await until(() => watching.last && state(watching).streams === 502, 'the state')
  const now = state(watching)
  assert.equal(now.rows.length, 200)
  assert.equal(now.rows[0][1], 'stuck')
  assert(now.rows[0][6] > 0)
  assert(watching.last.data.length < 40000, `${watching.last.data.length} bytes`)
  for (const socket of [...sockets, stuck]) socket.destroy()
  watching.close()
})
