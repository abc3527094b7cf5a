#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// What is read from requests and written to replies: files, cookies, guards, proxies, deferred
// replies, logs.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import { get, split_replies, talk } from './raw.mjs'
import { listen, request, Server, sleep, test, until } from './wire.mjs'

const dir = mkdtempSync(path.join(os.tmpdir(), 'sse-files-')), root = path.join(dir, 'root')
const text = 'abcdefghijklmnopqrstuvwxyz'
let server, strict
before(async () => {
  for (const name of ['root', 'root/sub', 'root/.git', 'root/.well-known', 'secret', 'root-not'])
    mkdirSync(path.join(dir, name))
  const put = (name, bytes) => {
    writeFileSync(path.join(dir, name), bytes)
    utimesSync(path.join(dir, name), 1700000000, 1700000000)
  }
  put('root/a.txt', text)
  put('root/sub/index.html', '<p>index')
  put('root/empty', '')
  put('root/big.bin', Buffer.alloc(300000, 'x'))
  put('root/sp ace&.css', 'p{}')
  put('root/.hidden', 'no')
  put('root/.git/config', 'no')
  put('root/.well-known/x', 'yes')
  put('secret/key', 'SECRET')
  put('root-not/key', 'SECRET')
  put('root/z.js', 'plain'); put('root/z.js.br', 'brotli'); put('root/z.js.gz', 'gzip')
  symlinkSync('../secret/key', path.join(root, 'link'))
  symlinkSync('../secret', path.join(root, 'links'))
  symlinkSync('a.txt', path.join(root, 'inside'))
  symlinkSync('/etc/passwd', path.join(root, 'passwd'))
  symlinkSync('../root-not', path.join(root, 'near'))
  ;[server, strict] = await Promise.all([
    Server.start('asan/http', { args: [`root=${root}`, 'secret=s', 'on_reply=1', 'access_log=1',
      'cors_origins=https://app.example', 'cors_credentials=1'] }),
    Server.start('asan/http', { args: ['trusted_proxies=127.0.0.1 10.0.0.1',
      'allowed_hosts=good.example localhost', 'allowed_origins=https://ally.example',
      'log_topic=topic', 'secret=new s'] }),
  ])
})
after(async () => {
  await Promise.all([server?.stops(), strict?.stops()])
  rmSync(dir, { recursive: true })
})
const one = async (target, ...fields) => (await talk(server, get(target, ...fields))).replies[0]
const status = async (...args) => (await one(...args)).status

// FL1
test('no spelling of a path leaves the directory', async () => {
  const up = ['..', '%2e%2e', '%2E.', '.%2e', '..%2f', '..%5c', '..\\', '%252e%252e', '....', '..;',
    '..%00', '%c0%ae%c0%ae', '%e0%80%ae%e0%80%ae', '..%c0%af',
    '\uff0e\uff0e'.split('').map(c => encodeURIComponent(c)).join('')]
  const targets = up.flatMap(dots => [`${dots}/secret/key`, `sub/${dots}/${dots}/secret/key`,
    `${dots}secret/key`, `${dots}/${dots}/${dots}/${dots}/etc/passwd`, `./${dots}/secret/key`])
  targets.push('/etc/passwd', '//etc/passwd', '%2fetc%2fpasswd', 'link', 'links/key', 'passwd',
    'near/key', '../root-not/key', 'file:///etc/passwd', 'a.txt/../../secret/key', 'a.txt%00',
    '~/x', 'sub/%2e%2e%2f%2e%2e%2fsecret/key')
  for (const target of targets) {
    const reply = (await talk(server, get(`/files/${target}`)))?.replies[0]
    assert(reply.status === 404 || reply.status === 400, `${target}: ${reply.status}`)
    assert(!/SECRET|root:/.test(reply.body), target)
  }
  assert(targets.length > 80)
})

test('files, directories, names that begin with a dot', async () => {
  assert.equal((await one('/files/a.txt')).body, text)
  assert.equal((await one('/files/inside')).body, text)
  const css = await one('/files/sp%20ace&.css')
  assert.deepEqual([css.body, css.headers['content-type'], css.headers['x-content-type-options']],
    ['p{}', 'text/css; charset=utf-8', 'nosniff'])
  assert.equal((await one('/files/sub/')).body, '<p>index')
  const moved = await one('/files/sub?a=b')
  assert.deepEqual([moved.status, moved.headers.location], [301, './sub/?a=b'])
  assert.equal((await one('/files')).headers.location, './files/')
  assert.deepEqual(await Promise.all(['/files/', '/files/.hidden', '/files/.git/config',
    '/files/.git/', '/files/a.txt/', '/files//a.txt', '/files/none'].map(target => status(target))),
    [404, 404, 404, 404, 404, 404, 404])
  assert.equal((await one('/files/.well-known/x')).body, 'yes')
  assert.equal((await one('/files/empty')).headers['content-length'], '0')
  assert.equal((await one('/files/big.bin')).body.length, 300000)
  const head = (await talk(server, get('/files/big.bin').replace('GET', 'HEAD') + get('/'),
    { methods: ['HEAD'], count: 2 })).replies
  assert.deepEqual([head[0].headers['content-length'], head[1].body], ['300000', 'ok'])
  assert.equal((await request(server, 'POST', '/files/a.txt', { body: 'x' })).status, 405)
  const asked =
    await talk(server, 'POST /files/a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n' +
    'Expect: 100-continue\r\n\r\n')
  // no 100 before it
  assert.deepEqual([asked.replies.map(({ status }) => status), asked.closed], [[405], true])
})

test('ranges and conditions', async () => {
  const range = async (value, ...fields) => {
    const r = await one('/files/a.txt', `Range: ${value}`, ...fields)
    return [r.status, r.body, r.headers['content-range']]
  }
  const whole = await one('/files/a.txt'), tag = whole.headers.etag
  assert.equal(whole.headers['accept-ranges'], 'bytes')
  assert.deepEqual(await range('bytes=0-3'), [206, 'abcd', 'bytes 0-3/26'])
  assert.deepEqual(await range('bytes=-3'), [206, 'xyz', 'bytes 23-25/26'])
  assert.deepEqual(await range('bytes=20-'), [206, 'uvwxyz', 'bytes 20-25/26'])
  assert.deepEqual(await range('bytes=20-99'), [206, 'uvwxyz', 'bytes 20-25/26'])
  assert.deepEqual(await range('bytes=26-'), [416, '', 'bytes */26'])
  assert.deepEqual(await range('bytes=-0'), [416, '', 'bytes */26'])
  for (const odd of ['bytes=3-1', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=a-b', 'bytes=', '0-3'])
    assert.deepEqual((await range(odd)).slice(0, 2), [200, text], odd)
  assert.equal((await range('bytes=0-1', `If-Range: ${tag}`))[0], 206)
  assert.equal((await range('bytes=0-1', 'If-Range: "other"'))[0], 200)
  // does not say which coding (RFC 9110 13.1.5)
  assert.equal((await range('bytes=0-1', `If-Range: ${whole.headers['last-modified']}`))[0], 200)
  assert.equal((await range('bytes=0-1', 'If-Range: Mon, 01 Jan 2001 00:00:00 GMT'))[0], 200)
  const unchanged = await one('/files/a.txt', `If-None-Match: "x", W/${tag}`)
  assert.deepEqual([unchanged.status, unchanged.body, unchanged.headers.etag,
    'content-length' in unchanged.headers], [304, '', tag, false])
  assert.equal(await status('/files/a.txt', 'If-None-Match: *'), 304)
  assert.equal(await status('/files/a.txt', 'If-None-Match: "x"',
    `If-Modified-Since: ${whole.headers['last-modified']}`), 200)
  assert.equal(await status('/files/a.txt', `If-Modified-Since: ${whole.headers['last-modified']}`),
    304)
  assert.equal(await status('/files/a.txt', 'If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT'),
    200)
  assert.equal(await status('/files/a.txt', `If-Match: "x", ${tag}`), 200)
  assert.equal(await status('/files/a.txt', 'If-Match: *',
    'If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT'), 200)
  for (const other of ['"x"', `W/${tag}`])
    assert.deepEqual(await range('bytes=0-3', `If-Match: ${other}`), [412, '', undefined])
  assert.equal(await status('/files/a.txt', 'If-Match: "x"', `If-None-Match: ${tag}`), 412)
  assert.equal(
    await status('/files/a.txt', `If-Unmodified-Since: ${whole.headers['last-modified']}`), 200)
  assert.equal(await status('/files/a.txt', 'If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT'),
    412)
  assert.equal(await status('/files/a.txt', 'If-Unmodified-Since: yesterday'), 200)
  const piece = await one('/files/big.bin', 'Range: bytes=1000-200999')
  assert.deepEqual([piece.status, piece.body.length], [206, 200000])
})

test('compressed neighbours, and files in memory', async () => {
  const js = async (...fields) => {
    const r = await one('/files/z.js', ...fields)
    return [r.body, r.headers['content-encoding'], r.headers['content-type'],
      r.headers.vary.includes('Accept-Encoding')]
  }
  const type = (await one('/files/z.js')).headers['content-type']
  assert.match(type, /^text\/javascript/)
  assert.deepEqual(await js('Accept-Encoding: gzip, br'), ['brotli', 'br', type, true])
  assert.deepEqual(await js('Accept-Encoding: gzip'), ['gzip', 'gzip', type, true])
  assert.deepEqual(await js('Accept-Encoding: br;q=0'), ['plain', undefined, type, true])
  assert.deepEqual(await js(), ['plain', undefined, type, true])
  assert.deepEqual([(await one('/memory/')).body, (await one('/memory/app.js')).body,
    await status('/memory/none')], ['<p>in memory', 'let a', 404])
  assert.equal(await status('/memory/app.js',
    `If-None-Match: ${(await one('/memory/app.js')).headers.etag}`), 304)
  assert.equal((await one('/memory/app.js', 'Range: bytes=0-2')).body, 'let')
})

// A1
test('nothing breaks out of a header', async () => {
  for (const bad of ['a%0Ab', 'a%0Db', 'a%0D%0AX:%20y', 'a%01b', 'a%7Fb']) {
    for (const what of [`name=X-A&value=${bad}`, `name=${bad}&value=1`, `cookie=c&value=${bad}`,
        `cookie=${bad}&value=1`, `url=/${bad}`, `type=${bad}`]) {
      const reply = await one(`/set?${what}`)
      assert.equal(reply.status, 422, what)
      assert(!('x' in reply.headers) && !('x-a' in reply.headers))
    }
  }
  for (const what of ['name=Content-Length&value=1', 'name=transfer-encoding&value=chunked',
    'name=Connection&value=x', 'name=a%20b&value=1', 'name=&value=1', 'cookie=c&value=a;b',
    'cookie=c&value=a%20b', 'cookie=a=b&value=1', 'url=/a%20b', 'url='])
    assert.equal(await status(`/set?${what}`), 422, what)
  for (const what of ['path=', 'path=a', 'path=/;a', 'path=/%0A', 'path=/%09', 'path=/%C3%A9',
    'domain=', 'domain=a;b', 'domain=a%20b', 'domain=a:80', 'domain=%01', 'same_site=',
    'same_site=Some', 'same_site=None', 'same_site=none'])
    assert.match((await one(`/set?cookie=c&value=1&${what}`)).body, /outside its range/, what)
  for (const what of ['path=/', 'path=/a%20b', 'domain=example.com', 'domain=.example.com',
    'same_site=strict'])
    assert.equal(await status(`/set?cookie=c&value=1&${what}`), 200, what)
  for (const url of ['javascript:alert(1)', 'JaVaScRiPt:x', 'data:text/html,x', 'vbscript:x',
    'file:///etc', 'ftp://a/', ':x', 'a:b', 'localhost:8000/'])
    assert.equal(await status(`/set?url=${encodeURIComponent(url)}`), 422, url)
  for (const url of ['http://a/', 'HTTPS://a/?b:c', '/a:b', 'a/b:c', '?a:b', '#a:b', '../a',
    './a:b', '//a/b', 'http:a'])
    assert.equal((await one(`/set?url=${encodeURIComponent(url)}`)).headers.location, url)
  assert.equal(await status('/set?type='), 422)
  assert.equal((await one('/set?name=X-A&value=ok')).headers['x-a'], 'ok')
  assert.equal((await one('/set?name=X-A&value=ok')).headers['x-hook'], '1')
  const to = await one('/set?url=/there?a%3Db')
  assert.deepEqual([to.status, to.headers.location], [303, '/there?a=b'])
  assert.equal(await status('/set?stop=1'), 418)
})

test('cookies', async () => {
  const { headers } = await request(server, 'GET', '/cookies')
  const [plain, all, gone, signed] = headers['set-cookie']
  assert.equal(plain, 'plain=1; Path=/; SameSite=Lax; HttpOnly')
  assert.equal(all, 'all=2; Path=/in; SameSite=Strict; Domain=example.com; Max-Age=60; Secure')
  assert.equal(gone, 'gone=; Path=/; SameSite=Lax; Max-Age=0; HttpOnly')
  const cookie = signed.split(';')[0]
  assert.equal((await one('/whoami', `Cookie: a=b; ${cookie}`)).body, '"me"')
  assert.equal((await one('/whoami', `Cookie: ${cookie.slice(0, -1)}`)).body, 'null')
  assert.equal((await request(strict, 'GET', '/whoami',
    { headers: { Cookie: cookie, Host: 'good.example' } })).body, '"me"',
    'a secret that was replaced still verifies')
  assert.match((await request(strict, 'GET', '/cookies',
    { headers: { 'X-Forwarded-Proto': 'https', Host: 'good.example' } })).headers['set-cookie'][0],
    /; Secure$/)
  assert.match((await request(strict, 'GET', '/cookies',
    { headers: { Forwarded: 'proto=http, for=1.2.3.4;proto="https"',
    Host: 'good.example' } })).headers['set-cookie'][0], /; Secure$/)
  assert.doesNotMatch(
    (await request(strict, 'GET', '/cookies', { headers: { 'X-Forwarded-Proto': 'https, http',
    Host: 'good.example' } })).headers['set-cookie'][0], /Secure/)
  assert.doesNotMatch((await request(server, 'GET', '/cookies',
    { headers: { 'X-Forwarded-Proto': 'https' } })).headers['set-cookie'][0], /Secure/)
  const sealed = (await one('/seal?value=form:1%20%26')).body
  assert.match(sealed, /^[\w.-]+$/, 'for URLs as it is')
  assert.equal((await one(`/seal?text=${sealed}`)).body, '"form:1 &"')
  assert.equal((await one(`/seal?text=${sealed}&age=-1`)).body, '"form:1 &"')
  assert.equal((await one(`/seal?text=${sealed.slice(0, -1)}`)).body, 'null')
  assert.equal((await one('/seal?text=')).body, 'null')
  assert.equal((await one('/whoami', `Cookie: signed=${sealed}`)).body, '"form:1 &"',
    'by the secret that signs cookies')
  assert.equal(await status('/seal'), 500, 'NULL is not signed, and silence is then no success')
  const shown = JSON.parse(
    (await one('/show/a/b?a=x%20y&a=2', 'Cookie: b=1; c="2"', 'X-Test: one', 'x-test: two')).body)
  assert.deepEqual(shown, { method: 'GET', path: '/show/a/b', peer: '127.0.0.1', a: 'x y', x: 'one',
    x1: 'two', cookie: '2', form: null, rest: 'a/b' })
})

test('who asks, behind proxies', async () => {
  const peer = async (...fields) =>
    JSON.parse((await talk(strict, get('/show', ...fields))).replies[0].body).peer
  assert.equal(await peer(), '127.0.0.1')
  assert.equal(await peer('X-Forwarded-For: 1.2.3.4'), '1.2.3.4')
  assert.equal(await peer('X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.1'), '1.2.3.4')
  assert.equal(await peer('X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: 1.2.3.4'), '1.2.3.4',
    'a line that a proxy adds counts, not the one a client sent')
  assert.equal(await peer('X-Forwarded-For: 6.6.6.6, 1.2.3.4', 'X-Forwarded-For: 10.0.0.1'),
    '1.2.3.4')
  assert.equal(await peer('Forwarded: for=6.6.6.6, for="[2001:db8::1]:80"'), '2001:db8::1')
  assert.equal(await peer('Forwarded: for=6.6.6.6', 'X-Forwarded-For: 1.2.3.4'), '1.2.3.4')
  assert.equal(await peer('X-Forwarded-For: unknown'), '127.0.0.1')
  assert.equal(await peer('X-Forwarded-For: '), '127.0.0.1')
  assert.equal(JSON.parse((await one('/show', 'X-Forwarded-For: 1.2.3.4')).body).peer, '127.0.0.1')
})

test('hosts and origins', async () => {
  const to = async (host, method = 'GET', ...fields) => (await talk(strict,
    `${method} ${method === 'GET' ? '/' : '/echo'} HTTP/1.1\r\nHost: ${host}\r\n` +
    `${fields.map(f => f + '\r\n').join('')}\r\n`)).replies[0].status
  assert.deepEqual([await to('good.example'), await to('GOOD.example:80'), await to('localhost'),
    await to('127.0.0.1'), await to('evil.example')], [200, 200, 200, 421, 421])
  const post = (...fields) => to('good.example', 'POST', ...fields)
  assert.equal(await post(), 200)
  assert.equal(await post('Origin: http://good.example'), 200)
  assert.equal(await post('Origin: https://good.example'), 200)
  assert.equal(await post('Origin: https://ally.example'), 200)
  for (const origin of ['http://evil.example', 'null', 'http://good.example.evil.example',
    'http://good.example:81', 'good.example', 'https://good.example@evil.example', ''])
    assert.equal(await post(`Origin: ${origin}`), 403, origin)
  assert.equal(await post('Sec-Fetch-Site: cross-site'), 403)
  assert.equal(await post('Sec-Fetch-Site: same-origin'), 200)
  assert.equal(await to('good.example', 'GET', 'Origin: http://evil.example'), 200)
})

test('CORS, for replies and streams', async () => {
  const app = 'Origin: https://app.example'
  const { headers } = await one('/', app)
  assert.deepEqual([headers['access-control-allow-origin'],
    headers['access-control-allow-credentials'], headers.vary],
    ['https://app.example', 'true', 'Origin'])
  assert.equal((await one('/',
    'Origin: https://evil.example')).headers['access-control-allow-origin'], undefined)
  const { replies: [preflight] } =
    await talk(server, get('/echo', app, 'Access-Control-Request-Method: PUT',
    'Access-Control-Request-Headers: x-a, content-type').replace('GET', 'OPTIONS'))
  assert.deepEqual([preflight.status, preflight.headers['access-control-allow-methods'],
    preflight.headers['access-control-allow-headers']], [204, 'PUT', 'x-a, content-type'])
  const { replies: [refused] } = await talk(server, get('/echo', 'Origin: https://evil.example',
    'Access-Control-Request-Method: PUT').replace('GET', 'OPTIONS'))
  assert.equal(refused.headers['access-control-allow-origin'], undefined)
  const stream = await listen(server, '/stream', { headers: { Origin: 'https://app.example' } })
  assert.equal(stream.headers['access-control-allow-origin'], 'https://app.example')
  stream.close()
  await assert.rejects(Server.start('asan/http',
    { args: ['cors_origins=*', 'cors_credentials=1'] }), /cors_credentials/)
})

test('names and passwords', async () => {
  const basic = text => `Authorization: Basic ${Buffer.from(text).toString('base64')}`
  const asked = await one('/basic')
  assert.deepEqual([asked.status, asked.headers['www-authenticate']],
    [401, 'Basic realm="the \\"realm\\"", charset="UTF-8"'])
  assert.equal((await one('/basic', basic('ann:p:w'))).body, 'in')
  assert.equal((await one('/basic', basic('ann:p:w').replace('Basic', 'bAsIc'))).body, 'in')
  for (const wrong of [basic('ann:p:'), basic('ann:p:ww'), basic('Ann:p:w'), basic(':'), basic(''),
    'Authorization: Basic', 'Authorization: Basic !!!', 'Authorization: Bearer secret',
    basic('ann:p:w') + '\r\n' + basic('x:y')])
    assert.equal(await status('/basic', wrong), 401, wrong)
  assert.equal((await one('/bearer')).headers['www-authenticate'], 'Bearer')
  assert.equal((await one('/bearer', 'Authorization: Bearer secret')).body, 'in')
  assert.equal((await one('/bearer', 'Authorization: Bearer secre')).headers['www-authenticate'],
    'Bearer error="invalid_token"')
  assert.equal(await status('/bearer/unset', 'Authorization: Bearer '), 401)
  assert.equal(await status('/bearer/unset'), 401)
})

test('deferred replies, also to a client that has left', async () => {
  const socket = await server.socket()
  socket.write(get('/defer?slot=1&a=!', 'X-Test: h') + get('/'))
  await sleep(50)
  assert.equal(socket.got, '')
  assert.equal((await one('/finish?slot=1')).body, '0 -3')
  await until(() => split_replies(socket.got).replies.length === 2, 'both replies')
  assert.deepEqual(split_replies(socket.got).replies.map(reply => reply.body),
    ['deferred /deferh, finished!', 'ok'])
  socket.write(get('/defer?slot=2&a=!', 'X-Test: h'))
  await sleep(50)
  socket.resetAndDestroy()
  await sleep(50)
  assert.equal((await one('/finish?slot=2')).body, '0 -3')
  const posting = await server.socket()
  posting.write('POST /defer?slot=3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo')
  await sleep(20)
  posting.end('dy') // half closed: the reply still comes
  await sleep(50)
  assert.equal((await one('/finish?slot=3')).status, 200)
  await until(() => posting.got.includes('finished'), 'the reply')
  const left = await server.socket()
  left.write(get('/defer?slot=4')) // nobody finishes it: the app frees it
  await sleep(50)
  left.destroy()
})

test('hooks and logs', async () => {
  await talk(server, get('/show/%22%5B?a=%22'))
  await until(() => server.stderr.includes('/show/%22'), 'the log line')
  const [line] = /^.*"GET \/files\/a\.txt HTTP\/1\.1" 200 26$/m.exec(server.stderr)
  assert.match(line, /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET/)
  assert.match(server.stderr, /"GET \/defer\?slot=2&a=! HTTP\/1\.1" 499 0$/m)
  assert.match(server.stderr, /"GET \/stream HTTP\/1\.1" 200 0$/m)
  assert.match(server.stdout, /^replied \/cookies$/m)
  const log = await listen(strict, '/stream', { headers: { Host: 'localhost' } })
  await talk(strict, get('/nowhere'))
  await until(() => log.last?.data === 'GET /nowhere 404', 'the event')
  log.close()
})
