#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The monitor as its page and as Prometheus see it, and who may.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before } from 'node:test'
import { listen, request, root, Server, sleep, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/monitor') })
after(() => server.stops())

const state = stream => JSON.parse(stream.last.data)
const closing = (id, headers = {}, prefix = '/_sse') => request(server, 'POST', prefix + '/close', {
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body: `id=${id}` })
const counters = async () => JSON.parse((await request(server, 'GET', '/counters')).body)

const json = async (query = '', of = server) =>
  JSON.parse((await request(of, 'GET', '/_sse/metrics.json' + query)).body)
const night = (what, of = server) => request(of, 'POST', '/night/' + what)
const publish = (topic, body) => request(server, 'POST', '/topic/' + topic, { body })
const paused = async target => { // a stream whose client does not read
  const socket = net.connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  socket.pause()
  return socket
}

// Prometheus text format 0.0.4, by its description and by the rules of promtool check metrics:
// { name: { type, help, samples: { labels: value } } }, those of a histogram by their suffix.
function parse(text) {
  const metrics = {}
  let last
  assert(text.endsWith('\n'))
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-z][a-z0-9_]*) (\S.*)$/.exec(line)
    if (comment) {
      const [, kind, name, value] = comment
      metrics[name] ??= { samples: {} }
      assert(!(kind.toLowerCase() in metrics[name]), `one ${kind} for ${name}`)
      assert.deepEqual(metrics[name].samples, {}, `${kind} before the samples`)
      metrics[name][kind.toLowerCase()] = value
      last = name
      continue
    }
    const label = '[a-z_]+="[^"\\\\\\n]*"'
    const sample = new RegExp(`^([a-z][a-z0-9_]*)((?:\\{${label}(?:,${label})*\\})?) ` +
      '(\\d+(?:\\.\\d+)?)$').exec(line)
    assert(sample, `a sample: ${line}`)
    const suffix = metrics[last].type === 'histogram' ? sample[1].slice(last.length) : ''
    assert.equal(sample[1], last + suffix, 'the samples of a metric stand together')
    const key = suffix + sample[2]
    assert(!(key in metrics[last].samples), `once: ${line}`)
    metrics[last].samples[key] = Number(sample[3])
  }
  for (const [name, { type, help, samples }] of Object.entries(metrics)) {
    assert(help && ['gauge', 'counter', 'histogram'].includes(type), name)
    assert.equal(name.endsWith('_total'), type === 'counter', `${name}: counters end in _total`)
    assert.doesNotMatch(name, /_(count|sum|bucket|gauge|counter|histogram|summary)(_|$)/, name)
    assert.doesNotMatch(name, /_(ms|us|ns|s|milliseconds|kb|mb|kilobytes|minutes|percent)(_|$)/,
      `${name}: base units`)
    for (const unit of ['seconds', 'bytes'])
      assert.match(name, new RegExp(`^(?!.*_${unit}_(?!total$))`), `${name}: the unit comes last`)
    if (type === 'histogram') check_histogram(name, samples)
    else assert(!Object.keys(samples).some(key => /le=/.test(key)), name)
  }
  return metrics
}

function check_histogram(name, samples) {
  const buckets = Object.entries(samples).filter(([key]) => key.startsWith('_bucket'))
  const bounds = buckets.map(([key]) => /^_bucket\{le="([^"]+)"\}$/.exec(key)[1])
  assert.match(name, /_seconds$/)
  assert.equal(bounds.at(-1), '+Inf')
  bounds.slice(0, -1).reduce((before, bound) => {
    assert(Number(bound) > before, `${name}: ${bounds}`)
    return Number(bound)
  }, 0)
  buckets.reduce((before, [, n]) => { assert(n >= before, name); return n }, 0)
  assert.equal(buckets.at(-1)[1], samples._count)
  assert(samples._sum >= 0 && (samples._sum > 0) === (samples._count > 0), name)
  assert.equal(Object.keys(samples).length, buckets.length + 2)
}
const scrape = async () => parse((await request(server, 'GET', '/_sse/metrics')).body)

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
  await until(() => watching.last && state(watching).streams.open === 3, 'all three streams')
  let now = state(watching)
  const row = now.streams.rows.find(row => row.label === 'chat')
  assert.deepEqual([row.who, row.peer, row.path, row.follows, row.state],
    ['<b>anna', '127.0.0.1', '/topic/{topic}', ['chat."x"'], 'open'])
  assert.deepEqual(now.topics.rows.filter(({ watchers }) => watchers).map(({ name }) => name),
    ['chat."x"'])
  assert.deepEqual(now.views.rows.map(({ name }) => name).sort(),
    ['/_sse/live ', '/clock/{zone} /utc'])
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
  await until(() => watching.last && state(watching).streams.open === 3, 'the streams')
  const id = label => state(watching).streams.rows.find(row => row.label === label).id
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
  for (const path of ['', '/monitor.js', '/monitor.css', '/live', '/metrics', '/metrics.json']) {
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
  for (const path of ['', '/live', '/metrics', '/metrics.json', '/close']) {
    const reply = await request(open, path === '/close' ? 'POST' : 'GET', '/_sse' + path)
    assert.equal(reply.status, 403, path)
  }
  assert.equal((await request(open, 'GET', '/admin/monitor?key=sesame')).status, 200)
  await open.stops()
})

test('... and not for whom a proxy speaks that is on it', async () => {
  const near = await Server.start('asan/monitor', { args: ['127.0.0.1'] })
  const metrics = headers => request(near, 'GET', '/_sse/metrics', { headers })
  assert.equal((await metrics({})).status, 200)
  for (const [name, value] of [['X-Forwarded-For', '9.9.9.9'], ['X-Forwarded-For', '127.0.0.1'],
    ['Forwarded', 'for=9.9.9.9'], ['X-Real-IP', '9.9.9.9'], ['Via', '1.1 proxy']])
    assert.equal((await metrics({ [name]: value })).status, 403, name)
  assert.equal((await metrics({ Host: 'board.example' })).status, 421)
  await near.stops()
})

test('metrics are Prometheus text, without names of topics', async () => {
  const watching = [await listen(server, '/topic/secret-name'),
    await listen(server, '/topic/other?label=kind-of-it')]
  await request(server, 'GET', '/nothing/here')
  const { headers, body } = await request(server, 'GET', '/_sse/metrics')
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const metrics = parse(body)
  for (const name in metrics) assert.match(name, /^(sse|process)_/)
  assert.equal(metrics.sse_streams.samples[''], 2)
  assert(metrics.sse_topics.samples[''] >= 2)
  assert(metrics.sse_error_replies_total.samples['{class="4xx"}'] > 0)
  assert(metrics.sse_streams_closed_total.samples['{reason="end"}'] >= 2)
  assert(metrics.process_resident_memory_bytes.samples[''] > 1e6)
  assert(Math.abs(metrics.sse_start_time_seconds.samples[''] - Date.now() / 1000) < 600)
  assert.doesNotMatch(body, /secret-name|kind-of-it/)
  const later = await scrape()
  for (const [name, { type, samples }] of Object.entries(metrics))
    if (type !== 'gauge')
      for (const labels in samples)
        assert(later[name].samples[labels] >= samples[labels], `${name} never falls`)
  assert(later.sse_requests_total.samples[''] > metrics.sse_requests_total.samples[''])
  if (spawnSync('promtool', ['--version']).status === 0)
    execFileSync('promtool', ['check', 'metrics'], { input: body })
  watching.forEach(stream => stream.close())
})

test('the dashboard for Grafana asks for metrics that there are', async () => {
  const board = JSON.parse(readFileSync(path.join(root, 'examples/grafana/sse.json'), 'utf8'))
  const metrics = await scrape()
  const known = new Map(Object.entries(metrics).flatMap(([name, { type }]) =>
    (type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).map(end => [name + end, type])))
  const panels = board.panels.filter(({ type }) => type !== 'row')
  assert(board.schemaVersion >= 38 && board.uid && board.title && panels.length >= 10)
  assert.equal(new Set(board.panels.map(({ id }) => id)).size, board.panels.length)
  const asked = new Set()
  for (const { title, description, gridPos: { x, w }, targets, datasource } of panels) {
    assert(title && description && x + w <= 24, title)
    assert.equal(datasource.uid, '${datasource}')
    assert(targets.length)
    for (const { expr, refId } of targets) {
      assert(refId, title)
      for (const [name] of expr.matchAll(/\b(?:sse|process)_\w+/g)) {
        assert(known.has(name), `${title}: ${name}`)
        const rated = new RegExp(`(?:rate|increase)\\(${name}(?:\\{[^}]*\\})?\\[`).test(expr)
        assert.equal(rated, known.get(name) !== 'gauge', `${title}: a rate of ${name}`)
        asked.add(name)
      }
      const chosen = /(sse_\w+)\{[^}]*?(class|reason|level)=~?"([^"$]+)"/g
      for (const [, name, key, value] of expr.matchAll(chosen))
        for (const one of value.split('|'))
          assert(`{${key}="${one}"}` in metrics[name].samples, `${title}: ${key} ${one}`)
    }
  }
  const variables = board.templating.list.map(({ name }) => name)
  assert(variables.includes('datasource') && variables.includes('instance'))
  for (const name of ['sse_publish_seconds_bucket', 'sse_events_dropped_total', 'sse_streams'])
    assert(asked.has(name), name)
})

test('one JSON text tells the same, by names that stay', async () => {
  const watching = [await listen(server, '/topic/ring.json?label=l&who=w'),
    await listen(server, '/topic/json?plain=1')]
  for (let i = 0; i < 3; i++) await publish('ring.json', 'x'.repeat(100))
  await until(() => watching[0].events.length === 3, 'the events')
  const { headers, body } = await request(server, 'GET', '/_sse/metrics.json?q=json&sort=-events')
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['cache-control'], 'no-store')
  const now = JSON.parse(body)
  assert.deepEqual(Object.keys(now), ['version', 'uptime_s', 'slow_ms', 'latency', 'streams',
    'topics', 'views', 'cuts', 'slow', 'log', 'counters'])
  const [row, plain] = now.streams.rows
  assert.deepEqual(Object.keys(row), ['id', 'label', 'who', 'peer', 'path', 'age_s', 'idle_s',
    'follows', 'follows_all', 'events', 'bytes', 'waiting_bytes', 'waiting_events', 'kernel_bytes',
    'state', 'stuck_s'])
  assert.deepEqual([row.label, row.who, row.follows_all], ['l', 'w', 1])
  assert(row.events >= 3 && row.bytes > 300)
  assert.deepEqual([plain.label, plain.who, plain.path, plain.events],
    [null, null, '/topic/{topic}', 0])
  assert.deepEqual(now.topics.rows.map(({ name }) => name).sort(), ['json', 'ring.json'])
  const topic = now.topics.rows.find(({ name }) => name === 'ring.json')
  assert.deepEqual([topic.watchers, topic.events_a_minute, topic.kept], [1, 3, 3])
  assert.equal(topic.last_id, watching[0].last.id)
  assert(topic.kept_bytes > 300)
  for (const name of ['publish', 'commit', 'render']) {
    const { count, mean_us, p50_us, p99_us, worst_us } = now.latency[name]
    assert(count >= 0 && mean_us <= worst_us && p50_us <= p99_us && p99_us <= worst_us, name)
  }
  for (const [name, { type, samples }] of Object.entries(await scrape())) {
    if (type === 'histogram' || name === 'sse_build_info') continue
    for (const labels in samples) {
      const value = /"(.*)"/.exec(labels)
      const key = name.replace(/^sse_|_total$/g, '') + (value ? '_' + value[1] : '')
      assert(key in now.counters, `${name}${labels}: ${key}`)
    }
  }
  for (const stream of watching) stream.close()
})

// N3
test('latencies are noted once for an event, a render, a commit', async () => {
  const crowd = []
  for (let i = 0; i < 50; i++) crowd.push(await listen(server, '/topic/many'))
  crowd.push(await listen(server, '/notes'))
  const count = async () => {
    const m = await scrape()
    return ['publish', 'render', 'commit_to_view']
      .map(name => m[`sse_${name}_seconds`].samples._count)
  }
  await until(() => crowd.at(-1).last, 'the view')
  const before = await count()
  for (let i = 0; i < 7; i++) await publish('many', 'x')
  await until(async () => (await count())[0] > before[0] + 6, 'publishing')
  assert.equal((await count())[0], before[0] + 7)
  assert.equal((await request(server, 'POST', '/note')).status, 204)
  await until(async () => (await count())[2] > before[2], 'the commit')
  const after = await count()
  assert.equal(after[2], before[2] + 1)
  assert.equal(after[1], before[1] + 1)
  for (const stream of crowd) stream.close()
})

test('what holds the loop, fails or is refused at night is told', async () => {
  const before = await json()
  await night('slow')
  await until(async () => (await counters()).slow > 0, 'a slow callback')
  const slow = (await json()).slow.find(({ callback }) => /night/.test(callback))
  assert.equal(slow.callback, 'handler of POST /night/{what}')
  assert(slow.worst_ms >= 79 && slow.slow >= 1)
  const watching = await listen(server, '/notes')
  await until(() => watching.last, 'the view')
  await night('fail')
  await request(server, 'POST', '/note')
  await until(async () => (await json()).counters.renders_failed > 0, 'a render that fails')
  await night('mend')
  const now = await json()
  assert(now.counters.slow_callbacks >= 1 && now.counters.log_lines_error >= 1)
  assert(now.log.some(({ level, line }) => level === 'error' && /\/notes was not ren/.test(line)))
  assert(now.log.some(({ level, line }) => level === 'warning' && /night/.test(line)))
  const crowd = []
  while ((await counters()).subscriptions_refused === 0 && crowd.length < 500)
    crowd.push(await listen(server, `/topic/room.${crowd.length}`))
  const full = await json()
  assert.equal(full.counters.subscriptions_refused, 1)
  assert.equal(full.cuts[0].reason, 'error') // it followed nothing
  assert.equal(full.cuts[0].path, '/topic/{topic}')
  assert(full.counters.streams_closed_error > before.counters.streams_closed_error)
  for (const zone of ['a', 'b', 'c', 'a']) // there is room for two views
    crowd.push(await listen(server, '/clock/' + zone))
  await until(async () => (await counters()).subscriptions_refused === 2, 'the view to be refused')
  for (const stream of [...crowd, watching]) stream.close()
  await until(async () => (await counters()).streams === 0, 'them to go')
})

test('events that a locked database does not take are unsaved, until it does', async () => {
  const watching = await listen(server, '/topic/kept.x')
  await publish('kept.x', 'one')
  await until(() => watching.last?.data === 'one', 'the first')
  assert.equal((await json()).counters.unsaved_events, 0)
  await night('lock')
  for (let i = 0; i < 5; i++) await publish('kept.x', 'more')
  await until(async () => (await json()).counters.unsaved_events >= 5, 'them to be unsaved', 30000)
  const { samples } = (await scrape()).sse_unsaved_events
  assert(samples[''] >= 5)
  await night('unlock')
  await until(async () => (await json()).counters.unsaved_events === 0, 'them to be kept', 30000)
  watching.close()
})

// N2
test('five hundred streams are searched, sorted and paged, the worst come first', async () => {
  const sockets = []
  for (let i = 0; i < 500; i++) {
    const socket = await server.socket({ read: false })
    const who = `who=user-${String(i).padStart(3, '0')}&label=${i % 2 ? 'odd' : 'even'}`
    socket.write(`GET /topic/crowd?${i < 490 ? who : 'plain=1'} HTTP/1.1\r\n` +
      'Host: localhost\r\n\r\n')
    socket.pause()
    sockets.push(socket)
  }
  await until(async () => (await counters()).streams === 500, 'the streams')
  const found = async query => (await json(query)).streams
  const who = ({ rows }) => rows.map(row => row.who)
  let now = await found('?sort=who&rows=3')
  assert.deepEqual(who(now), ['user-000', 'user-001', 'user-002'])
  assert.deepEqual([now.open, now.found, now.from], [500, 500, 0])
  assert.deepEqual(who(await found('?sort=-who&rows=3&page=1')),
    ['user-486', 'user-485', 'user-484'])
  assert.deepEqual(who(await found('?sort=-who&rows=3&page=163')), ['user-000', null, null])
  now = await found('?sort=who&rows=200&page=99')
  assert.deepEqual([now.from, now.rows.length], [400, 100])
  now = await found('?q=USER-12&sort=-who')
  assert.deepEqual([now.found, now.rows[0].who], [10, 'user-129'])
  for (const [query, n] of [['ODD', 245], ['crowd', 500], ['127.0.0.1', 500], ['/topic/{', 500],
      ['nowhere', 0]])
    assert.equal((await found('?q=' + encodeURIComponent(query))).found, n, query)
  for (const sort of ['state', 'age', 'waiting', 'events', 'bytes', 'idle', 'peer', 'who', 'label',
      'path', 'no%20such']) {
    const seen = new Set()
    for (let page = 0; page < 3; page++)
      for (const row of (await found(`?sort=${sort}&rows=200&page=${page}`)).rows) seen.add(row.id)
    assert.equal(seen.size, 500, `${sort}: each once`)
  }
  for (const odd of ['rows=0', 'rows=201', 'rows=x', 'page=-1', 'page=99999999',
      'q=' + 'y'.repeat(3000)])
    assert((await found('?' + odd)).rows.length <= 200, odd)

  const stuck = await paused('/topic/flood?label=stuck&who=eve')
  await until(async () => (await counters()).streams === 501, 'one that does not read')
  const flood = async () => { // until something waits behind what the kernel took
    await publish('flood', 'x'.repeat(300000))
    return (await counters()).queue_high > 310000
  }
  await until(flood, 'a queue')
  const watching = await listen(server, '/_sse/live?rows=200')
  await until(() => watching.last && state(watching).streams.open === 502, 'the state')
  const { streams: { rows }, counters: told } = state(watching)
  assert.equal(rows.length, 200)
  assert.equal(rows[0].label, 'stuck')
  assert(['full', 'stuck'].includes(rows[0].state) && rows[0].waiting_events > 0)
  assert(rows[0].waiting_bytes > 0 && rows[0].kernel_bytes > 0)
  assert.deepEqual([told.streams_waiting, told.streams_full], [1, 1])
  assert(told.waiting_bytes >= 300000)
  assert(watching.last.data.length < 100000, `${watching.last.data.length} bytes`)
  assert.equal((await scrape()).sse_streams_full.samples[''], 1)

  for (let i = 0; i < 5; i++) await publish('flood', 'x'.repeat(300000))
  await until(async () => (await counters()).streams === 501, 'it to be cut')
  const [cut] = (await json()).cuts
  assert.deepEqual([cut.reason, cut.who, cut.label, cut.path, cut.peer],
    ['queue', 'eve', 'stuck', '/topic/{topic}', '127.0.0.1'])
  assert(cut.waiting_bytes > 1 << 20 && cut.waiting_events >= 4)
  for (const socket of [...sockets, stuck]) socket.destroy()
  watching.close()
})
