#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Each example starts, answers as browsers and their scripts ask, does its one thing and stops.
import assert from 'node:assert/strict'
import { answers, elements, listen, post, request, root, Server, sleep, test,
  until } from './wire.mjs'
import { Pty } from './pty.mjs'
import { Redis } from './redis.mjs'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync,
  symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'

// What they send: a page that is gone to or a form, a script's fetch, Datastar.
const page_headers =
  { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/' +
  'apng,' + '*/*;q=0.8', 'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Dest': 'document', 'Upgrade-Insecure-Requests': '1' }
const fetch_headers = { Accept: '*/*', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty',
  'Sec-Fetch-Site': 'same-origin' }
const datastar_headers = { Accept: 'text/event-stream, text/html, application/json',
  'Datastar-Request': 'true', 'Sec-Fetch-Site': 'same-origin' }

// A page, whole, that needs nothing from elsewhere.
async function get_page(server, target = '/', headers = {}) {
  const { status, headers: got, body } =
    await request(server, 'GET', target, { headers: { ...page_headers, ...headers } })
  assert.equal(status, 200)
  assert.match(got['content-type'], /^text\/html/)
  assert.match(body, /^<!doctype html>.*<\/html>\n$/s)
  assert.doesNotMatch(body, /https?:\/\//)
  return body
}
const send = (server, target, fields, headers = fetch_headers) =>
  request(server, 'POST', target, { body: new URLSearchParams(fields).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers } })
const form = (server, target, fields, headers) => send(server, target, fields,
  { ...page_headers, Origin: server.url, 'Sec-Fetch-Site': 'same-origin', ...headers })
const sql = (server, statement) =>
  execFileSync('sqlite3', [path.join(server.dir, `${server.program}.db`), statement])
const readFile = name => { // "" where it is not there, or no more
  try { return readFileSync(name, 'utf8') } catch { return '' }
}
const refuse = (server, table) =>
  sql(server, `CREATE TRIGGER no BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'no'); END`)

test('hello', async t => {
  if (!process.env.CI && await answers(8000))
    return t.skip('somebody else is on port 8000, the one that hello names')
  const server = await Server.start('hello', { port: 8000 })
  const { status, headers, body } = await request(server, 'GET', '/?name=%3Cyou%3E')
  assert.equal(status, 200)
  assert.match(headers['content-type'], /^text\/html/)
  // in standards mode, dark where the system is, and the browser asks for no icon
  const head = '<!doctype html><link rel="icon" href="data:,"><meta name="color-scheme" ' +
    'content="light dark">'
  assert.equal(body, `${head}<h1>hello &lt;you&gt;</h1>`)
  assert.equal((await request(server, 'GET', '/')).body, `${head}<h1>hello </h1>`)
  await server.stops()
})

test('chat', async () => {
  const server = await Server.start('chat')
  const say = signals => post(server, '/say', signals, { headers: datastar_headers })
  const lines = html => [...html.matchAll(/<p id="m\d+">(.*?)<\/p>/g)].map(match => match[1])
  assert.match(await get_page(server), /src="\/datastar\.js".*<main id="feed"[^>]*><\/main>/s)
  assert.match((await request(server, 'GET', '/datastar.js')).headers['content-type'],
    /^text\/javascript/)
  const feed = await listen(server, '/feed', { headers: datastar_headers })
  assert.equal((await say({ text: 'a < b', key: '1.5' })).status, 204)
  await until(() => lines(elements(feed.last) ?? '').includes('a &lt; b'), 'the message')
  // the answer to the first try was lost
  assert.equal((await say({ text: 'a < b', key: '1.5' })).status, 204)
  assert.equal((await say({ text: 'a < b', key: '1.6' })).status, 204)
  for (const signals of [{}, { text: '' }]) assert.equal((await say(signals)).status, 400)
  const back = await form(server, '/say', { text: 'by a form' })
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  assert.equal((await form(server, '/say', {})).status, 400)
  assert.deepEqual(lines(await get_page(server)), ['by a form', 'a &lt; b', 'a &lt; b'])
  refuse(server, 'msgs')
  assert.equal((await say({ text: 'refused' })).status, 500)
  assert.equal((await form(server, '/say', { text: 'refused' })).status, 500)
  feed.close()
  await server.restart('SIGTERM', { meanwhile: () => {
    for (const end of ['', '-wal', '-shm'])
      rmSync(path.join(server.dir, `chat.db${end}`), { force: true })
    sql(server, "CREATE TABLE msgs (id INTEGER PRIMARY KEY, txt TEXT); " +
      "INSERT INTO msgs(txt) VALUES('of an older version')")
  } })
  assert.equal((await say({ text: 'goes on', key: '2' })).status, 204)
  assert.deepEqual(lines(await get_page(server)), ['goes on', 'of an older version'])
  await server.stops()
})

test('chat serves the client that DATASTAR_JS names', async () => {
  const server =
    await Server.start('chat', { env: { DATASTAR_JS: path.join(root, 'tests/wire/tap.mjs') } })
  assert.equal((await request(server, 'GET', '/datastar.js')).body,
    readFileSync(path.join(root, 'tests/wire/tap.mjs'), 'utf8'))
  await server.stops()
})

test('sensor', async () => {
  const server = await Server.start('sensor')
  const html = await get_page(server)
  assert.match(html, /<output id="temp">-?\d+\.\d &deg;C<\/output>\s*<div id="age"/)
  assert.match(html, /<div id="age" data-seconds="\d">\d\d:\d\d:\d\d UTC</)
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
  const colors = html =>
    [...html.matchAll(/<i id="c\d+" class="c(\d)">/g)].map(match => Number(match[1]))
  const first = await get_page(server)
  assert(/src="\/datastar\.js".*data-init="/s.test(first))
  assert.equal(colors(first).length, 2500)
  assert(colors(first).filter(Boolean).length > 100)
  const board =
    await listen(server, '/board', { headers: { ...datastar_headers, 'Accept-Encoding': 'br' } })
  await until(() => board.events.length >= 3, 'three generations')
  assert.equal(colors(elements(board.last)).length, 2500)
  assert.match(elements(board.last), /<dt>1 watching<\/dt>/)
  assert.equal((await post(server, '/tap?cell=1225', {}, { headers: datastar_headers })).status,
    204)
  await until(() => board.events.some(event => colors(elements(event))[1225] > 0),
    'the cell to be alive')
  assert.equal((await post(server, '/tap?cell=2500', {}, { headers: datastar_headers })).status,
    400)
  const back = await form(server, '/tap', {})
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  await until(() => board.events.length >= 12, 'more generations')
  const html = board.events.reduce((sum, { data }) => sum + data.length, 0)
  assert(html > 20 * board.bytes, `${html} bytes arrived as ${board.bytes}`)
  board.close()
  await server.stops()
})

test('numbers', async () => {
  const server = await Server.start('numbers')
  assert.match(await get_page(server), /new EventSource\('\/count/)
  const count = async (query, headers = {}) => {
    const numbers = await listen(server, `/count?to=5&ms=10${query}`, { headers })
    await until(() => numbers.closed, 'the end')
    return numbers.events.map(({ event, data }) => event === 'done' ? event : Number(data))
  }
  assert.deepEqual(await count('&after=2'), [3, 4, 5, 'done'])
  assert.deepEqual(await count('', { 'Last-Event-ID': '3' }), [4, 5, 'done'])
  assert.deepEqual(await count('&lastEventId=4'), [5, 'done'])
  assert.deepEqual(await count('&lastEventId=1', { 'Last-Event-ID': '5' }), ['done'])
  assert.deepEqual(await count('&after=9223372036854775807'), ['done'])
  const numbers = await listen(server, '/count?to=1000&ms=50')
  await until(() => numbers.events.length >= 2, 'two numbers')
  await server.stop()
  assert(!numbers.events.some(({ event }) => event === 'done'),
    'that the server stops is not the end of the count')
})

test('rooms', async () => {
  const server = await Server.start('rooms')
  const lines = html =>
    [...html.matchAll(/<p id="([^"]+)" data-key="[^"]*"><b>bob<\/b>(.*?)<\/p>/g)].map(
    match => match[2])
  const said = stream => stream.events.filter(({ event }) => event === 'said')
    .map(({ data }) => data.replace(/^.*<\/b>|<\/p>$/g, ''))
  const newest = html => html.match(/<main.*<\/main>/s)[0].match(/.*<p id="([^"]+)"/s)?.[1] ?? ''
  let keys = 0
  const say = (text, key = ++keys) => send(server, '/?room=garden&me=bob', { text, key })
  assert.match(await get_page(server, '/?room=a%20%3Cb&me=%22ann'), /<h1>a &lt;b<\/h1>/)
  const empty = await get_page(server)
  assert.equal(newest(empty), '')
  assert.equal((await say('1 < 2')).status, 204)
  // rendered with nothing, misses nothing
  const ann = await listen(server, '/feed?room=garden&me=%3Cann&lastEventId=')
  await until(() => said(ann).length === 1, 'the message')
  assert.deepEqual(said(ann), ['1 &lt; 2'])
  await until(() => ann.events.find(({ event }) => event === 'here')?.data === '<li>&lt;ann</li>',
    'ann to be here')
  assert.equal((await say('1 < 2', keys)).status, 204) // the answer to the first try was lost
  assert.equal((await say('')).status, 400)
  const back = await form(server, '/?room=garden&me=bob', { text: 'by a form' },
    { Referer: `${server.url}/?room=garden&me=bob` })
  assert.deepEqual([back.status, back.headers.location], [303, `${server.url}/?room=garden&me=bob`])
  await until(() => said(ann).length === 2, 'the other line')
  const html = await get_page(server)
  assert.deepEqual(lines(html), ['1 &lt; 2', 'by a form'])
  assert.match(html, /<li>&lt;ann<\/li>/)
  await say('between')
  await until(() => said(ann).length === 3, 'the third line')
  await server.restart()
  // as if the server had gone before it answered
  assert.equal((await say('between', keys)).status, 204)
  // neither lost nor doubled
  const later = await listen(server, `/feed?room=garden&me=bob&lastEventId=${newest(html)}`)
  const again = await listen(server, `/feed?room=garden&me=%3Cann&lastEventId=${newest(html)}`,
    { headers: { 'Last-Event-ID': ann.last.id } })
  await say('live')
  await until(() => said(later).length >= 2 && said(again).length >= 1, 'what was missed')
  // the header goes before the query
  assert.deepEqual([said(later), said(again)], [['between', 'live'], ['live']])
  await until(() => again.events.some(({ event, data }) => event === 'here' &&
    /ann.*bob|bob.*ann/.test(data)), 'both to be here')
  assert.deepEqual(lines(await get_page(server)), ['1 &lt; 2', 'by a form', 'between', 'live'])
  for (const stream of [ann, later, again]) stream.close()
  await server.stops()
})

test('outbox', async () => {
  const server = await Server.start('outbox')
  const rows = html =>
    [...html.matchAll(/<li data-id="(\d+)">(.*?)<\/li>/g)].map(match => `${match[1]} ${match[2]}`)
  let keys = 0
  const order = (item, key = ++keys) => send(server, '/order', { item, key })
  assert.deepEqual(rows(await get_page(server)), [])
  const feed = await listen(server, '/feed?lastEventId=')
  assert.equal((await order("tea; it's hot")).status, 204)
  // the answer to the first try was lost
  assert.equal((await order("tea; it's hot", keys)).status, 204)
  assert.equal((await order('')).status, 400)
  const back = await form(server, '/order', { item: 'by a form' })
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  await until(() => feed.events.length === 2, 'the orders')
  assert.deepEqual([feed.events[0].data, feed.events[0].id], ["ordered: tea; it's hot", '1'])
  assert.deepEqual(rows(await get_page(server)),
    ['1 ordered: tea; it&#39;s hot', '2 ordered: by a form'])
  await order('missed')
  await server.restart('SIGKILL')
  await order('missed', keys)
  await order('later')
  const again = await listen(server, '/feed?lastEventId=1', { headers: { 'Last-Event-ID': '2' } })
  const page = await listen(server, '/feed?lastEventId=2')
  await until(() => again.events.length === 2 && page.events.length === 2, 'what was missed')
  for (const { events } of [again, page])
    assert.deepEqual(events.map(event => event.data), ['ordered: missed', 'ordered: later'])
  refuse(server, 'outbox')
  assert.equal((await order('refused')).status, 500)
  sql(server, 'DROP TRIGGER no')
  assert.equal((await order('refused', keys)).status, 204)
  await until(() => page.last.data === 'ordered: refused', 'the order, at last')
  for (const stream of [feed, again, page]) stream.close()
  await server.stops()
})

test('processes', async () => {
  const server = await Server.start('processes'), keys = Array.from({ length: 20 }, (_, i) => i)
  const press = key => request(server, 'POST', `/press?key=${key}`,
    { headers: fetch_headers, agent: false })
  assert.match(await get_page(server), /<p>Process \d+ made this page\.<\/p>/)
  const feeds = await Promise.all(keys.map(() => listen(server, '/feed?lastEventId=')))
  for (const key of keys) assert.equal((await press(key)).status, 204)
  assert.equal((await press(0)).status, 204) // the answer to the first try was lost
  const back = await form(server, '/press', {})
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  const pressed = ({ events }) => events.filter(({ event }) => event === 'message')
  await until(() => feeds.every(feed => pressed(feed).length === 21), 'all, at each process')
  const ids = sql(server, 'SELECT id FROM presses ORDER BY id').toString().trim().split('\n')
  for (const feed of feeds) assert.deepEqual(pressed(feed).map(({ id }) => id), ids)
  assert.equal((await get_page(server)).match(/<li data-id=\d+>taken by \d+<\/li>/g).length, 20)
  refuse(server, 'presses')
  assert.equal((await press('refused')).status, 500)
  feeds.forEach(feed => feed.close())
  await server.stops()
})

test('login', async () => {
  const server = await Server.start('login', { env: { PASSWORD: 'open sesame' } })
  const page = cookie => get_page(server, '/', cookie ? { Cookie: cookie } : {})
  assert.match(await page(), /action="\/login"/)
  for (const fields of [{}, { name: 'ann' }, { name: 'ann', password: 'x' },
    { name: 'bob', password: 'open sesame' }])
    assert.equal((await form(server, '/login', fields)).headers.location, '/?wrong')
  assert.match(await get_page(server, '/?wrong'), /role="alert".*action="\/login"/s)
  assert.equal((await form(server, '/login', { name: 'ann', password: 'open sesame' },
    { Origin: 'https://elsewhere.example' })).status, 403)
  const done = await form(server, '/login', { name: 'ann', password: 'open sesame' })
  assert.deepEqual([done.status, done.headers.location], [303, '/'])
  const [set] = [done.headers['set-cookie']].flat(), cookie = set.split(';')[0]
  assert.match(set, /; HttpOnly/)
  assert.match(set, /; SameSite=Lax/)
  assert.match(await page(cookie), /You are ann\..*action="\/logout"/)
  assert.match(await page(cookie.replace('session=', 'session=x')), /action="\/login"/)
  const out = await form(server, '/logout', {}, { Cookie: cookie })
  assert.deepEqual([out.status, out.headers.location], [303, '/'])
  assert.match([out.headers['set-cookie']].flat()[0], /^session=; .*Max-Age=0/)
  await server.stops()
})

test('later', async () => {
  const server = await Server.start('later')
  assert.match(await get_page(server), /action="\/primes"/)
  const [long, short] = await Promise.all(
    [request(server, 'GET', '/primes?below=200000'), request(server, 'GET', '/primes?below=100')])
  assert.match(long.body, /<p>17984 primes are below 200000<\/p>.*<a href="\/">/)
  assert.match(short.body, /<p>25 primes are below 100<\/p>/)
  await server.stops()
})

test('progress', async () => {
  const server = await Server.start('progress')
  const state = html => /<p id="state"[^>]*>(.*?)<.*<b>(\d+) %.*<span>(\d+) below (\d+)</s
    .exec(html)?.slice(1) ?? []
  const is = async (...wanted) => {
    let now
    await until(() => (now = state(elements(job.last))).slice(0, wanted.length).join() ===
      wanted.join(), () => `${wanted}, not ${now}`, 30000)
  }
  assert.deepEqual(state(await get_page(server)), ['ready', '0', '0', '20000000'])
  let job = await listen(server, '/job', { headers: datastar_headers })
  for (const below of ['', 'x', '999', '100000001'])
    assert.equal((await form(server, '/start', { below })).status, 400)
  const back = await form(server, '/start', { below: '12345' })
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  await is('done', '100', '1474')
  assert.equal((await send(server, '/cancel', {}, datastar_headers)).status, 204)
  assert.equal((await send(server, '/start', { below: '100000000' }, datastar_headers)).status, 204)
  await is('running')
  await send(server, '/start', { below: '100000' }, datastar_headers) // while a part is in work
  await is('done', '100', '9592', '100000')
  await send(server, '/start', { below: '100000000' }, datastar_headers)
  await until(() => {
    const [name, percent] = state(elements(job.last))
    return name === 'running' && percent >= 1
  }, 'a part', 30000)
  await server.restart('SIGTERM')
  const [was, done] = state(await get_page(server))
  assert.equal(was, 'running')
  assert(done >= 1)
  job = await listen(server, '/job', { headers: datastar_headers })
  sql(server, "UPDATE job SET state = 'cancelled'")
  await is('cancelled')
  sql(server, "UPDATE job SET state = 'running', part = 0, found = 0, below = 1000")
  await is('done', '100', '168')
  job.close()
  await server.stops()
})

test('ssecat', async () => {
  const server = await Server.start('ssecat', { args: ['-1', '3'], input: 'pipe' })
  const put = bytes => server.child.stdin.write(bytes)
  const texts = stream => stream.events.map(({ event, data }) => `${event}:${data}`)
  const feed = await listen(server, '/events')
  const get = async count => {
    await until(() => feed.events.length >= count, () => texts(feed).slice(-5))
    return texts(feed).slice(count - 1)
  }
  put('half a ')
  put('line\n')
  assert.deepEqual(await get(1), ['message:half a line'])
  put('\r\n')
  assert.deepEqual(await get(2), ['message:'])
  put(Buffer.from([0x61, 0, 0x62, 0xff, 0x0a]))
  assert.deepEqual(await get(3), ['message:a\uFFFDb\uFFFD'])
  put('é'.repeat(30000) + '\n') // 60,000 bytes: lines of 16,384, no character cut
  await until(() => feed.events.slice(3).map(({ data }) => data).join('') === 'é'.repeat(30000),
    'a long line')
  assert.equal(feed.events.length, 7)
  put('<last>\n')
  await get(8)
  const late = await listen(server, '/events') // and whoever is late
  await until(() => late.events.length >= 3, 'the last lines')
  assert.equal(late.events.at(-1).data, '<last>')
  const html = await get_page(server)
  assert.match(html, new RegExp(`<div>&lt;last&gt;</div></div>.*data-last="${feed.last.id}"`, 's'))
  server.child.stdin.end('no line break')
  assert.deepEqual((await get(9)).slice(0, 1), ['message:no line break'])
  assert.deepEqual(await get(10), ['end:End of the input.'])
  assert.match(await get_page(server),
    /<div>no line break<\/div><\/div>.*>End of the input\.<\/p>/s)
  for (const stream of [feed, late]) stream.close()
  const taken = spawnSync(path.join(root, 'build/ssecat'), [String(server.port)],
    { encoding: 'utf8' })
  assert.equal(taken.status, 1)
  assert.match(taken.stderr, /in use/)
  await server.stops()
  for (const args of [['x'], ['8000', '0'], ['8000', '5', '5'], ['70000']]) {
    const { status, stderr } = spawnSync(path.join(root, 'build/ssecat'), args,
      { encoding: 'utf8' })
    assert.equal(status, 2)
    assert.match(stderr, /^usage/)
  }
  const fd = openSync('/', 'r'), directory = await Server.start('ssecat', { input: fd })
  await until(async () => /The input broke off/.test(await get_page(directory)), 'the mark')
  assert.equal((await directory.stop()).code, 1)
  closeSync(fd)
})

test('files', async () => {
  const server = await Server.start('files'), at = name => path.join(server.dir, name)
  const put = (name, text) => writeFileSync(at(name), text)
  const get = (target, headers = page_headers) => request(server, 'GET', target, { headers })
  const script = html => /<script>\{\n {2}let last = '(.*?)'/.exec(html)?.[1]
  const empty = await get('/')
  assert.deepEqual([empty.status, script(empty.body)], [200, ''])
  const changes = await listen(server, '/_changes?lastEventId=')
  const told = async (what, change) => {
    const before = changes.events.length
    await change()
    await until(() => changes.events.length > before, `${change}`)
    await sleep(150)
    assert.equal(changes.last.data, what, `${change}`)
  }
  await told('page', () => put('index.html', '<p>hello'))
  await told('css', () => put('a.css', 'p { color: red }'))
  await told('css', () => { put('.a.css.new', ''); renameSync(at('.a.css.new'), at('a.css')) })
  await told('page', () => { put('index.html~', '<p>2'); renameSync(at('index.html~'),
    at('index.html')) })
  await told('page', () => mkdirSync(at('x/y'), { recursive: true }))
  await told('page', () => put('x/y/a & b.html', '<p>in')) // of new directories as well
  await told('css', () => rmSync(at('a.css')))
  const quiet = changes.events.length
  put('.hidden', 'x')
  put('backup~', 'x')
  await sleep(300)
  assert.equal(changes.events.length, quiet)
  const page = await get('/')
  assert.match(page.body, /^<p>2\n<script>\{.*<\/script>\n$/s)
  assert.equal(script(page.body), changes.last.id)
  assert.match(page.headers['content-type'], /^text\/html/)
  assert.match((await get('/x/y/')).body,
    /<a href="\.\.\/">.*<a href="\.\/a%20%26%20b\.html">a &amp; b/s)
  assert.match((await get('/x/y/a%20%26%20b.html')).body, /^<p>in\n<script>/)
  assert.equal((await get('/x')).headers.location, './x/')
  const missing = await get('/no.html')
  assert.equal(missing.status, 404)
  assert.equal(script(missing.body), changes.last.id)
  put('app.js', '1')
  assert.equal((await get('/app.js')).body, '1')
  symlinkSync('/etc', at('out'))
  symlinkSync('/etc/hostname', at('out.html'))
  mkdirSync(at('.git'))
  put('.git/a.html', 'secret')
  put('x/target', '')
  for (const target of ['/out/', '/out/passwd', '/out.html', '/.git/a.html', '/.git/', '/.hidden'])
    assert.equal((await get(target)).status, 404, target)
  assert.equal((await request(server, 'POST', '/')).status, 405)
  const away = await listen(server, `/_changes?lastEventId=${script(page.body)}`)
  await until(() => away.events.length >= 1, 'what changed meanwhile')
  const id = changes.last.id
  for (const stream of [changes, away]) stream.close()
  await server.restart('SIGKILL')
  const again = await listen(server, '/_changes', { headers: { 'Last-Event-ID': id } })
  await until(() => again.last?.event === 'gap', 'the gap')
  again.close()
  await server.stops()
})

test('todo', async () => {
  const server = await Server.start('todo')
  const enter = async (target, name, password = 'open sesame') => {
    const { headers } = await form(server, target, { name, password })
    return headers['set-cookie'] ? headers['set-cookie'][0].split(';')[0] : headers.location
  }
  const titles = async Cookie =>
    [...(await get_page(server, '/', { Cookie })).matchAll(/aria-pressed="(.*?)">(.*?)</g)]
    .map(([, done, title]) => done === 'true' ? `${title}!` : title)
  const act = (Cookie, target, fields) => send(server, target, fields,
    { ...datastar_headers, Cookie })
  assert.match(await get_page(server), /formaction="\/join"/)
  const ann = await enter('/join', 'ann'), bob = await enter('/join', 'bob')
  assert.match(ann, /^session=/)
  assert.equal(await enter('/join', 'ann'), '/?taken')
  for (const [name, password] of [['ann', 'wrong password'], ['eve', 'open sesame'], ['', 'x'],
    ['ann', 'short']]) assert.equal(await enter('/login', name, password), '/?wrong')
  assert.match(await enter('/login', 'ann'), /^session=/)
  assert.match(await get_page(server, '/', { Cookie: await enter('/join', 'Zoë "Z", <x>; y') }),
    /Zoë &quot;Z&quot;, &lt;x&gt;; y/)
  assert.match(sql(server, "SELECT hash FROM users WHERE name = 'ann'").toString(),
    /^pbkdf2_sha256\$600000\$/)
  const view = await listen(server, '/todo/list', { headers: { ...datastar_headers, Cookie: ann } })
  const added = await act(ann, '/todo', { title: 'a < b' })
  assert.deepEqual([added.status, added.body], [200, '{"title":""}'])
  await until(() => elements(view.last)?.includes('>a &lt; b<'), 'the title')
  for (const title of ['', '  ', 'x'.repeat(201)])
    assert.equal((await act(ann, '/todo', { title })).status, 400)
  assert.equal((await act(ann, '/todo', {})).status, 400)
  for (const what of ['done', 'delete']) // of another user
    assert.equal((await act(bob, '/todo/1', { do: what })).status, 404)
  assert.equal((await act(ann, '/todo/1', { do: 'done' })).status, 204)
  assert.deepEqual(await titles(ann), ['a &lt; b!'])
  assert.deepEqual(await titles(bob), [])
  for (const target of ['/todo', '/todo/1', '/todo/logout'])
    assert.equal((await form(server, target, {})).headers.location, '/')
  const stranger = await listen(server, '/todo/list', { headers: datastar_headers })
  await until(() => stranger.closed, 'the end')
  assert.match(stranger.last.data, /window\.location/)
  await server.restart('SIGKILL')
  assert.equal((await act(ann, '/todo/1', { do: 'open' })).status, 204)
  assert.deepEqual(await titles(ann), ['a &lt; b'])
  assert.equal((await form(server, '/todo/1', { do: 'delete' }, { Cookie: ann })).status, 303)
  assert.deepEqual(await titles(ann), [])
  view.close()
  await server.stops()
})

test('ssecat reads faster than anybody', async () => {
  const server = await Server.start('ssecat', { input: 'pipe' })
  const feed = await listen(server, '/events')
  const lines = Array.from({ length: 1000 }, (_, i) => `${i} ${'x'.repeat(50)}\n`).join('')
  for (let i = 0; i < 100; i++)
    await new Promise(done => server.child.stdin.write(lines, done))
  server.child.stdin.end()
  await until(async () => /End of the input/.test(await get_page(server)), 'all lines', 30000)
  assert.equal((await get_page(server)).match(/<div>\d+ x+<\/div>/g).length, 1000)
  assert(server.rss_kb() < 200000, `${server.rss_kb()} KB`)
  feed.close()
  await server.stops()
})

test('tested', async () => {
  const tap = execFileSync(path.join(root, 'build/tested'), ['test'], { encoding: 'utf8' })
  assert.match(tap, /^(ok \d+ - .*\n){9}1\.\.9\n$/)
  const server = await Server.start('tested')
  assert.match(await get_page(server), /src="\/datastar\.js".*<output id="clock">0:00</s)
  const clock = await listen(server, '/clock', { headers: datastar_headers })
  const back = await form(server, '/start', { minutes: '2' })
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  await until(() => elements(clock.last)?.includes('1:59'), 'the second second')
  clock.close()
  await server.stops()
})

test('cluster', async () => {
  const redis = await Redis.start()
  const node = number =>
    Server.start('cluster', { env: { REDIS: redis.sock, NODE: `${number}` } })
  const [one, two] = [await node(1), await node(2)]
  const lines = html =>
    [...html.matchAll(/<p><b>bob<\/b>(.*?)<\/p>/g)].map(match => match[1])
  const said = stream => stream.events.filter(({ event }) => event === 'said')
    .map(({ data }) => data.replace(/^.*<\/b>|<\/p>$/g, ''))
  const say = (server, text) => send(server, '/?me=bob', { text })
  assert.match(await get_page(one), /<small>from node 1<\/small>.*data-id="0-0"/s)
  const ann = await listen(one, '/feed?me=%3Cann&lastEventId=0-0')
  assert.equal((await say(two, '1 < 2')).status, 204)
  assert.equal((await say(one, '')).status, 400)
  await until(() => said(ann).length === 1, 'what was said at the other node')
  assert.deepEqual(said(ann), ['1 &lt; 2'])
  await until(async () => lines(await get_page(one)).length === 1, 'the page to have it')
  assert.equal(ann.events.find(({ event }) => event === 'node').data, '1')
  await until(async () => /<li>&lt;ann <small>1</.test(await get_page(two)), 'ann, at both nodes')
  ann.close()
  await say(two, 'missed')
  const back = await listen(two, '/feed?me=ann', { headers: { 'Last-Event-ID': ann.last.id } })
  await until(() => said(back).length === 1, 'what was missed')
  await until(async () => !/&lt;ann/.test(await get_page(one)), 'her to be gone there')
  const lost = await listen(one, '/feed', { headers: { 'Last-Event-ID': '1-1' } })
  await until(() => lost.last?.event === 'gap', 'an entry that is gone')
  const wrong = await listen(one, '/feed', { headers: { 'Last-Event-ID': 'not an id' } })
  await until(() => wrong.last?.event === 'gap', 'an id that Redis refuses')
  await redis.kill()
  await until(async () => (await say(one, 'lost')).status === 503, 'Redis to be missed')
  assert.match((await say(two, 'lost')).body, /^Redis cannot be reached/)
  assert.deepEqual(lines(await get_page(one)), ['1 &lt; 2', 'missed'])
  await redis.again()
  await until(async () => (await say(one, 'goes on')).status === 204, 'Redis to be back')
  await until(() => said(back).includes('goes on') && said(lost).includes('goes on'), 'all streams')
  assert.deepEqual(said(back), ['missed', 'goes on'])
  await redis.kill()
  rmSync(path.join(redis.dir, 'appendonlydir'), { recursive: true })
  await redis.again() // it has lost all
  await until(async () => (await say(two, 'anew')).status === 204, 'Redis to be back')
  await until(() => back.closed && lost.closed, 'streams to come back')
  await until(async () => lines(await get_page(one)).join() === 'anew', 'a new log')
  for (const stream of [back, lost, wrong]) stream.close()
  for (const server of [one, two]) await server.stops()
  await redis.kill()
})

// What a form with one file sends.
const file_form = (server, target, name, bytes, headers = {}) => request(server, 'POST', target, {
  body: Buffer.concat([Buffer.from('--x\r\nContent-Disposition: form-data; name="file"; ' +
    `filename="${name}"\r\n\r\n`), bytes, Buffer.from('\r\n--x--\r\n')]),
  headers: { 'Content-Type': 'multipart/form-data; boundary=x', ...headers } })

test('board', async () => {
  const pty = await Pty.open(), picture = Buffer.from([0xff, 0xd8, 1, 0xff, 0, 2, 0xff, 0xd9])
  const server = await Server.start('board', { env: { PASSWORD: 'open sesame' }, args: ['-t',
    'temp', '-g', 'gpio', '-s', pty.path, '-i', '50',
    '-c', 'while sleep .05; do cat *.jpg || exit; done'] })
  const put = (name, text) => writeFileSync(path.join(server.dir, name), text)
  const Authorization = `Basic ${btoa('admin:open sesame')}`
  const show = { headers: { ...datastar_headers, Authorization } }
  for (const [method, target] of [['GET', '/'], ['GET', '/board'], ['GET', '/camera'],
    ['POST', '/firmware']]) assert.equal((await request(server, method, target)).status, 401)
  assert.match(await get_page(server, '/', { Authorization }), /<b>&ndash;<\/b>.*None was sent/s)
  const view = await listen(server, '/board', show)
  const shows = what => until(() => what.test(elements(view.last) ?? ''), () => `${what} in ` +
    elements(view.last), 30000)
  put('temp', '47300\n')
  await shows(/<b>47\.3<\/b>.*<polyline points="[^"]*\d+,54\.0 "/s)
  put('temp', '-7200\n') // of the night: down to the next multiple of 5
  await shows(/<b>-7\.2<\/b>.*-10 to 50 /s)
  put('gpio', '0')
  await shows(/class="off"/)
  put('gpio', '1')
  await shows(/class="on"/)
  pty.write('a <b>\r\nhalf ')
  await shows(/<li id="l0">a &lt;b&gt;<\/li><\/ol>/)
  pty.write('a line\n')
  await shows(/<li id="l1">half a line<\/li>/)
  for (let i = 2; i < 20; i++) pty.write(`${i}\n`)
  await shows(/role="log"><li id="l12">12<.*<li id="l19">19<\/li><\/ol>/)
  await pty.close() // the cable is pulled
  await shows(/None is there/)

  put('a.jpg', picture)
  const socket = await server.socket(), other = await server.socket()
  for (const one of [socket, other])
    one.write(`GET /camera HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${Authorization}\r\n\r\n`)
  const part = 'Content-Type: image/jpeg\r\nContent-Length: 8\r\n\r\n' +
    `${picture.toString('latin1')}\r\n--part\r\n`
  await until(() => [socket, other].every(({ got }) => got.split(part).length > 4), 'pictures',
    30000)
  assert.match(socket.got, /^HTTP\/1\.1 200 OK\r\n.*multipart\/x-mixed-replace; boundary=part/s)
  const cameras = () => readdirSync('/proc').filter(pid => /^\d+$/.test(pid) &&
    readFile(`/proc/${pid}/stat`).split(' ')[3] === String(server.pid))
  assert.equal(cameras().length, 1) // one for both
  socket.destroy()
  const seen = other.got.length
  await until(() => other.got.length > seen + 300, 'more of them', 30000)
  other.destroy()
  await until(() => cameras().length === 0, 'the command to end', 30000)

  const bytes = Buffer.alloc(3000000, 'firmware ')
  const sent = file_form(server, '/firmware', '../x', bytes, { ...page_headers, Authorization })
  await shows(/<progress max="100" value="\d+"/)
  assert.deepEqual([(await sent).status, (await sent).headers.location], [303, '/'])
  await shows(/value="100".*firmware\.bin has 3000000 bytes/s)
  assert(readFileSync(path.join(server.dir, 'firmware.bin')).equals(bytes))
  const wrong = await file_form(server, '/firmware', 'x', bytes, { Authorization,
    'Content-Type': 'multipart/form-data; boundary=y' })
  assert.equal(wrong.status, 400)
  await shows(/Not stored/)
  console.error(`# the board takes ${server.rss_kb()} KB`)
  assert(server.rss_kb() < 4096, `${server.rss_kb()} KB`)
  view.close()
  await server.stops()
})

test('tabs', async () => {
  const server = await Server.start('tabs')
  assert.match(await get_page(server), /id="streams">0<.*data-last="">0</s)
  const first = await listen(server, '/feed?lastEventId=')
  const presses = stream => stream.events.filter(({ event }) => event === 'press')
    .map(({ data }) => JSON.parse(data).presses)
  await until(() => first.last?.data === '{"streams":1}', 'the number of streams')
  const back = await form(server, '/press', {})
  assert.deepEqual([back.status, back.headers.location], [303, '/'])
  assert.equal((await send(server, '/press?script', {})).status, 204)
  await until(() => presses(first).length === 2, 'two presses')
  const last = /data-last="([^"]+)">2</.exec(await get_page(server))[1]
  assert.equal(last, first.events.filter(({ event }) => event === 'press').at(-1).id)
  await send(server, '/press?script', {})
  const later = await listen(server, `/feed?lastEventId=${last}`)
  await until(() => presses(later).length === 1, 'what was missed')
  assert.deepEqual(presses(later), [3])
  await until(() => first.last.data === '{"streams":2}', 'both')
  for (const stream of [first, later]) stream.close()
  await server.stops()
})

test('weather', async () => {
  const server = await Server.start('weather', { args: ['echo >> asked; cat now.json', '1'] })
  const put = current => writeFileSync(path.join(server.dir, 'now.json'),
    JSON.stringify({ current }, null, 2))
  const asked = () => readFile(path.join(server.dir, 'asked')).length
  await sleep(1500)
  assert.equal(asked(), 0) // nobody looks
  const view = await listen(server, '/weather', { headers: datastar_headers })
  const shows = what => until(() => what.test(elements(view.last) ?? ''), () => `${what} in ` +
    elements(view.last), 30000)
  await shows(/No weather yet/)
  await until(() => /no weather \(status 256\)/.test(server.stderr), 'the failure to be told')
  put({ temperature_2m: -3.24, wind_speed_10m: 10.3, weather_code: 71 })
  await shows(/class="new"><h1>-3\.2&deg;.*snow, wind 10 km\/h.*just now/s)
  put({ temperature_2m: 0, wind_speed_10m: 3, weather_code: 0 })
  await shows(/>0\.0&deg;.*clear/s)
  put({ temperature_2m: 'warm' })
  await shows(/class="old".*>0\.0&deg;.*The source does not answer/s) // what is known, and its age
  assert.match(await get_page(server), /class="old"/)
  put({ temperature_2m: 20, wind_speed_10m: 3, weather_code: 95 })
  await shows(/class="new".*thunder/s)
  view.close()
  await server.stops()
  assert.match(server.stderr, /no weather \(status 0\): .*warm/)
})

for (const [loop, header] of [['', 'poll.h'], ['-libuv', 'uv.h'],
  ['-glib-2.0', 'glib-2.0/glib.h']]) test(`embed${loop}`, async t => {
  if (!process.env.CI && !existsSync(path.join('/usr/include', header)))
    return t.skip(`${header} is not installed, and embed${loop} not built`)
  const server = await Server.start(`embed${loop}`, { input: 'pipe' })
  const put = text => server.child.stdin.write(text)
  assert.match(await get_page(server), /<b>\d+<\/b> beats/)
  const view = await listen(server, '/state', { headers: datastar_headers })
  const beats = () => Number(/<b>(\d+)<\/b> beats/.exec(elements(view.last))?.[1])
  await until(() => beats() >= 2, 'the program to go on', 30000)
  put('one <\ntwo\nhalf')
  await until(() => /<b>2<\/b> lines.*<pre>half</s.test(elements(view.last)), 'its input', 30000)
  const replies = await Promise.all(Array.from({ length: 50 }, () => request(server, 'GET', '/')))
  assert(replies.every(({ status }) => status === 200))
  server.child.stdin.end()
  const before = beats()
  await until(() => beats() >= before + 2, 'more beats after the end of the input', 30000)
  const idle = server.cpu_ms()
  await sleep(1000)
  assert(server.cpu_ms() - idle < 500, 'it waits, and does not turn')
  view.close()
  await server.stops()
})

test('kanban', async () => {
  const server = await Server.start('kanban')
  const name = async name =>
    (await form(server, '/name', { name })).headers['set-cookie'][0].split(';')[0]
  const act = (Cookie, target, fields) => send(server, target, fields,
    { ...datastar_headers, Cookie })
  assert.match(await get_page(server), /action="\/name"/)
  for (const target of ['/b/team', '/b/team/cards', '/files/x'])
    assert.equal((await request(server, 'GET', target)).headers.location, '/')
  assert.equal((await form(server, '/name', { name: '' })).headers['set-cookie'], undefined)
  const ann = await name('Ann "<'), bob = await name('Bob')
  const show = Cookie => ({ headers: { ...datastar_headers, Cookie } })
  assert.equal((await request(server, 'GET', '/', { headers: { Cookie: ann } })).headers.location,
    '/b/team')
  for (const target of ['/b/', '/b/Team', '/b/a%20b', '/b/a.b/cards'])
    assert.equal((await request(server, 'GET', target, { headers: { Cookie: ann } })).status, 404)
  const audit = await listen(server, '/audit?lastEventId=0')
  const view = await listen(server, '/b/team/cards', show(ann))
  const elsewhere = await listen(server, '/b/other/cards', show(bob))
  const shows = (stream, what) => until(() => what.test(elements(stream.last) ?? ''),
    () => `${what} in ${elements(stream.last)}`, 30000)
  await shows(view, /<li>Ann &quot;&lt;<\/li><\/ul>/) // Bob is on another board
  const added = await act(ann, '/b/team/cards', { title: 'a < b' })
  assert.deepEqual([added.status, added.body], [200, '{"title":""}'])
  await shows(view, /To do<\/h2><ul>\n<li id="c1"><b>a &lt; b<\/b>/)
  for (const title of ['', '  ', 'x'.repeat(201)])
    assert.equal((await act(ann, '/b/team/cards', { title })).status, 400)
  for (const [target, fields] of [['/b/team/cards/9', { to: 1 }], ['/b/other/cards/1', { to: 1 }],
    ['/b/other/cards/1', { to: 'gone' }]])
    assert.equal((await act(bob, target, fields)).status, 404) // and nothing has changed
  assert.equal((await act(bob, '/b/team/cards/1', { to: 1 })).status, 204)
  await shows(view, /Doing<\/h2><ul>\n<li id="c1">/)

  const found = await listen(server, '/b/team/find?datastar=' + encodeURIComponent('{"q":"PLAN"}'),
    show(ann))
  await shows(found, /id="found"[^>]*><\/ul>/)
  const bytes = Buffer.from([1, 0, 0xff, 13, 10])
  const attached = await file_form(server, '/b/team/cards/1/files', '../plan.bin', bytes,
    { ...datastar_headers, Cookie: bob })
  assert.equal(attached.status, 204)
  const strange = await file_form(server, '/b/other/cards/1/files', 'x', bytes, { Cookie: bob })
  assert.equal(strange.status, 404)
  assert.equal(readdirSync(path.join(server.dir, 'kanban-files')).length, 1) // not that of no card
  await shows(found, /<a href="#c1">a &lt; b<\/a> <small>Doing/) // which goes on finding
  const link = /href="(\/files\/\w+)">\.\.\/plan\.bin</.exec(elements(view.last))[1]
  const file = await request(server, 'GET', link, { headers: { Cookie: ann } })
  assert.equal(file.body, bytes.toString())
  assert.match(file.headers['content-disposition'], /^attachment/)
  sql(server, "UPDATE cards SET title = 'from the shell'")
  await shows(view, /<b>from the shell<\/b>/)

  const last = audit.last.id
  assert.deepEqual(audit.events.map(({ data }) => data), ['Ann "< added a < b',
    'Bob moved to Doing: a < b', 'Bob attached ../plan.bin to a < b'])
  await server.restart('SIGKILL')
  const back = await form(server, '/b/team/cards/1', { to: 'gone' }, { Cookie: ann })
  assert.deepEqual([back.status, back.headers.location], [303, '/b/team'])
  const again = await listen(server, '/audit', { headers: { 'Last-Event-ID': last } })
  await until(() => again.events.length === 1, 'what was missed', 30000)
  assert.equal(again.last.data, 'Ann "< removed from the shell')
  assert.match(await get_page(server, '/b/team?q=shell', { Cookie: ann }), /id="found"[^>]*><\/ul>/)
  assert.equal((await request(server, 'GET', link, { headers: { Cookie: ann } })).status, 404)
  refuse(server, 'outbox')
  assert.equal((await act(ann, '/b/team/cards', { title: 'not told' })).status, 400)
  assert.doesNotMatch(await get_page(server, '/b/team', { Cookie: ann }), /not told/)
  for (const stream of [view, elsewhere, audit, found, again]) stream.close()
  await server.stops()
})

test('examples are short, and each is tested here', () => {
  const tests = readFileSync(new URL(import.meta.url), 'utf8')
  for (const file of readdirSync(path.join(root, 'examples')).filter(name => name.endsWith('.c'))) {
    assert(readFileSync(path.join(root, 'examples', file), 'utf8').split('\n').length < 180, file)
    assert(tests.match(`test\\(['\`]${file.replace(/\..*/, '')}`), `${file} has a test`)
  }
})
