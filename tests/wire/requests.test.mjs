#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Requests byte by byte: which status, whether the connection goes on, and that the server does.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { split_replies, talk } from './raw.mjs'
import { Server, test, until } from './wire.mjs'

const H = 'Host: localhost\r\n', E = '\r\n', V = ' HTTP/1.1\r\n'
const get = (target = '/', fields = '') => `GET ${target}${V}${H}${fields}${E}`
const post = (fields, body = '', target = '/echo') => `POST ${target}${V}${H}${fields}${E}${body}`
const te = (body, value = 'chunked') => post(`Transfer-Encoding: ${value}\r\n`, body)
const field = text => `GET /${V}${H}${text}\r\n${E}`
const line = text => `${text}\r\n${H}${E}`
const x = n => 'x'.repeat(n)

// [what is sent, the statuses of all replies; a trailing "-" says that the connection is closed
// then]
const table = {
  'request lines': [
    [get(), '200'], [E + get(), '200'], [E + E + get(), '200'], [E.repeat(50) + get(), '400-'],
    ['\n' + get(), '400-'], ['\r' + get(), '400-'], [line('GET  / HTTP/1.1'), '400-'],
    [line('GET /  HTTP/1.1'), '400-'], [line(' GET / HTTP/1.1'), '400-'],
    [line('GET / HTTP/1.1 '), '400-'], [line('GET\t/ HTTP/1.1'), '400-'],
    [line('GET / HTTP/1.1\t'), '400-'], [line('GET /'), '400-'], [line('GET'), '400-'],
    [line('GET / http/1.1'), '400-'], [line('GET / HTTP/2.0'), '505-'],
    [line('GET / HTTP/0.9'), '505-'], [line('GET / HTTP/1.2'), '200'],
    [line('GET / HTTP/1.10'), '400-'], [line('GET / HTTP/11'), '400-'],
    [line('GET / HTTP/1,1'), '400-'], [line('GET / HTTP/+1.1'), '400-'],
    [line('GET / XTTP/1.1'), '400-'], [line('G=T / HTTP/1.1'), '400-'],
    [line('G\0T / HTTP/1.1'), '400-'], [line('get / HTTP/1.1'), '405'],
    [line('FROB / HTTP/1.1'), '405'], [line(`${x(40)} / HTTP/1.1`), '501-'],
    [line('PRI * HTTP/2.0'), '505-'], ['GET / HTTP/1.1\n' + H + E, '400-'],
    ['GET / HTTP/1.1\r' + H + E, '400-'], ['\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', '400-'],
    ['\0', '400-'],
  ],
  'targets': [
    [get('/?'), '200'], [get('/?a=b&c'), '200'], [get('/?a=/../'), '200'], [get('*'), '400-'],
    [get('index'), '400-'], [get('http:/x'), '400-'],
    [get('http://localhost/'), '200'], [get('HTTP://localhost'), '200'],
    [get('http://localhost:1234/?q'), '200'], [get('http://user@localhost/'), '400-'],
    [get('http://'), '400-'], [get('ftp://localhost/'), '400-'], [get('/#f'), '400-'],
    [get('/%zz'), '400-'], [get('/%'), '400-'], [get('/%2'), '400-'],
    [get('/%00'), '400-'], [get('/a\0b'), '400-'], [get('/a\x7fb'), '400-'],
    [get('/caf\xe9'), '400-'], [get('/caf%C3%A9'), '404'], [get('/%C0%AF'), '400-'],
    [get('/%E0%80%AF'), '400-'], [get('/%ff'), '400-'], [get('/..'), '400-'],
    [get('/a/../b'), '400-'], [get('/%2e%2e/'), '400-'], [get('/.%2e/x'), '400-'],
    [get('/a%2fb'), '400-'], [get('/a%5cb'), '400-'], [get('/a\\b'), '400-'],
    [get('/%0d%0aX:y'), '400-'], [get('/?q=%00'), '400-'], [get('/?q=%'), '200'],
    [get('//'), '404'], [get('/nowhere'), '404'], [get(`/${x(17000)}`), '414-'],
    [get(`/?${x(16000)}`), '200'],
    [line('OPTIONS * HTTP/1.1'), '204'], [line('OPTIONS / HTTP/1.1'), '204'],
    [line('CONNECT localhost:80 HTTP/1.1'), '400-'], [line('TRACE / HTTP/1.1'), '405'],
  ],
  'fields': [
    [field('X: y'), '200'], [field('X:'), '200'], [field('X:y'), '200'],
    [field('X:  \t y \t'), '200'], [field('X: \x80\xff'), '200'], [field('X : y'), '400-'],
    [field('X\t: y'), '400-'], [field(' X: y'), '400-'], [field('X: a\r\n b'), '400-'],
    [field('X: a\r\n\tb'), '400-'], [field('X'), '400-'], [field(': y'), '400-'],
    [field('X(: y'), '400-'], [field('X\0: y'), '400-'], [field('X: a\0b'), '400-'],
    [field('X: a\x01b'), '400-'], [field('X: a\x7f'), '400-'], [field('X: a\rb'), '400-'],
    [field('X: a\nY: b'), '400-'], [field('\xc3\xa9: y'), '400-'],
    [`GET /${V}${H}X: y\n\r\n`, '400-'], [field(`X: ${x(15000)}`), '200'],
    [field(`X: ${x(17000)}`), '431-'], [field(`${x(17000)}: y`), '431-'],
    [field(Array.from({ length: 99 }, (_, i) => `X${i}: y`).join(E)), '200'],
    [field(Array.from({ length: 100 }, (_, i) => `X${i}: y`).join(E)), '431-'],
  ],
  'Host': [
    [`GET /${V}${E}`, '400-'], [`GET /${V}${H}${H}${E}`, '400-'],
    [`GET /${V}Host:${E}${E}`, '400-'], [`GET /${V}Host: a b${E}${E}`, '400-'],
    [`GET /${V}Host: localhost:80${E}${E}`, '200'], [`GET /${V}Host: localhost:${E}${E}`, '200'],
    [`GET /${V}Host: localhost:99999${E}${E}`, '400-'],
    [`GET /${V}Host: localhost:x${E}${E}`, '400-'], [`GET /${V}Host: u@localhost${E}${E}`, '400-'],
    [`GET /${V}Host: localhost/x${E}${E}`, '400-'], [`GET /${V}Host: [::1]${E}${E}`, '200'],
    [`GET /${V}Host: [::1]:80${E}${E}`, '200'], [`GET /${V}Host: [::1${E}${E}`, '400-'],
    [`GET /${V}Host: ::1${E}${E}`, '400-'], [`GET /${V}Host: 127.0.0.9${E}${E}`, '200'],
    [`GET /${V}Host: a.localhost${E}${E}`, '200'], [`GET /${V}Host: LOCALHOST${E}${E}`, '200'],
    [`GET /${V}Host: localhost.${E}${E}`, '200'], [`GET /${V}Host: a.localhost.:80${E}${E}`, '200'],
    [`GET /${V}Host: localhost..${E}${E}`, '421'], [`GET /${V}Host: .${E}${E}`, '421'],
    [`GET /${V}Host: evil.example${E}${E}`, '421'], [`GET http://evil.example/${V}${H}${E}`, '421'],
    [`GET http://localhost/${V}Host: evil.example${E}${E}`, '200'],
    [`GET /${V}Host: 127.0.0.1.evil.example${E}${E}`, '421'],
    [`GET /${V}Host: localhost.evil.example${E}${E}`, '421'],
  ],
  'Content-Length': [
    [post('Content-Length: 3\r\n', 'abc'), '200'], [post('Content-Length: 0\r\n'), '200'],
    [post('Content-Length: 003\r\n', 'abc'), '200'], [post(''), '200'],
    [post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'), '400-'],
    [post('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd'), '400-'],
    [post('Content-Length: 3, 3\r\n', 'abc'), '400-'],
    [post('Content-Length: +3\r\n', 'abc'), '400-'],
    [post('Content-Length: -3\r\n', 'abc'), '400-'],
    [post('Content-Length: 0x3\r\n', 'abc'), '400-'],
    [post('Content-Length: 3 \r\n', 'abc'), '200'],
    [post('Content-Length: 3 4\r\n', 'abc'), '400-'],
    [post('Content-Length: 3;\r\n', 'abc'), '400-'],
    [post('Content-Length: 3.0\r\n', 'abc'), '400-'],
    [post('Content-Length: 1e1\r\n', x(10)), '400-'], [post('Content-Length:\r\n'), '400-'],
    [post('Content-Length: abc\r\n'), '400-'],
    [post('Content-Length: 18446744073709551616\r\n'), '400-'],
    [post('Content-Length: 18446744073709551615\r\n'), '413-'],
    [post('Content-Length: 1048577\r\n'), '413-'], [post('Content-Length : 3\r\n', 'abc'), '400-'],
    [`PUT /echo${V}${H}Content-Length: 10\r\n\r\n${x(10)}`, '200'],
    [`PUT /echo${V}${H}Content-Length: 11\r\n\r\n${x(11)}`, '413-'],
    [get('/', 'Content-Length: 3\r\n') + 'abc' + get(), '200 200'],
    [post('Content-Type: text/plain\r\n'), '411-'], [`POST /echo HTTP/1.0\r\n\r\n`, '411-'],
    [`POST /echo HTTP/1.0\r\nContent-Length: 0\r\n\r\n`, '200-'],
  ],
  'chunked': [
    [te('3\r\nabc\r\n0\r\n\r\n'), '200'], [te('0\r\n\r\n'), '200'],
    [te('3;x=y\r\nabc\r\n0\r\n\r\n'), '200'], [te('3 ;x\r\nabc\r\n0\r\n\r\n'), '200'],
    [te('03\r\nabc\r\n00\r\n\r\n'), '200'],
    [te('A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n'), '200'],
    [te('0\r\nT: v\r\n\r\n'), '200'], [te('0\r\nContent-Length: 5\r\n\r\n'), '200'],
    [te('3\nabc\n0\n\n'), '400-'], [te('3\r\nabc0\r\n\r\n'), '400-'],
    [te('3\r\nabcd\r\n0\r\n\r\n'), '400-'], [te('0x3\r\nabc\r\n0\r\n\r\n'), '400-'],
    [te('-3\r\n'), '400-'], [te('+3\r\n'), '400-'], [te(' 3\r\nabc\r\n0\r\n\r\n'), '400-'],
    [te('\r\nabc'), '400-'], [te('g\r\n'), '400-'], [te('3\r\nabc\r\n0\r\nT : v\r\n\r\n'), '400-'],
    [te('3\r\nabc\r\n0\r\n T: v\r\n\r\n'), '400-'], [te('3\r\nabc\r\n0\r\nT\r\n\r\n'), '400-'],
    [te('3;\x01\r\n'), '400-'], [te('3;a\rb\r\nabc\r\n0\r\n\r\n'), '400-'],
    [te('FFFFFFFFFFFFFFFF\r\n'), '413-'], [te('10000000000000000\r\n'), '400-'],
    [te('100001\r\n'), '413-'], [te(`80000\r\n${x(0x80000)}\r\n80001\r\n`), '413-'],
    [te(`1;${x(20000)}\r\na\r\n0\r\n\r\n`), '400-'], [te(`0\r\nT: ${x(20000)}\r\n\r\n`), '431-'],
    [te('3\r\nabc\r\n0\r\n\r\n', 'Chunked'), '200'], [te('0\r\n\r\n', ' chunked '), '200'],
  ],
  'smuggling': [
    [post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), '400-'],
    [post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'), '400-'],
    [te('0\r\n\r\n', 'gzip'), '501-'], [te('0\r\n\r\n', 'gzip, chunked'), '501-'],
    [te('0\r\n\r\n', 'chunked, gzip'), '400-'], [te('0\r\n\r\n', 'chunked, chunked'), '400-'],
    [te('0\r\n\r\n', 'identity'), '501-'], [te('0\r\n\r\n', 'xchunked'), '501-'],
    [te('0\r\n\r\n', '"chunked"'), '400-'], [te('0\r\n\r\n', ''), '400-'],
    [te('0\r\n\r\n', 'chunked;q=1'), '400-'], [te('0\r\n\r\n', '\x0bchunked'), '400-'],
    [post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), '400-'],
    [post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'), '400-'],
    [post('Transfer-Encoding:\tchunked\r\n', '0\r\n\r\n'), '200'],
    [post('Transfer_Encoding: chunked\r\n'), '200'],
    [`POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, '400-'],
    [post('X: y\nContent-Length: 5\r\n'), '400-'],
    [post('Content-Length: 6\r\n\r\n'.slice(0, -2), `0\r\n\r\nG`) + get('/nowhere'), '200 404'],
    [te('0\r\n\r\n') + get('/nowhere'), '200 404'],
  ],
  'connections': [
    [get() + get(), '200 200'], [get() + get('/nowhere') + get(), '200 404 200'],
    [get('/', 'Connection: close\r\n') + get(), '200-'],
    [get('/', 'Connection: foo, Close\r\n'), '200-'],
    [get('/', 'Connection: keep-alive\r\n'), '200'], ['GET / HTTP/1.0\r\n\r\n', '200-'],
    ['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n', '200 200-'],
    ['GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n', '400-'],
    [get('/', 'Expect: 100-continue\r\n'), '200'], [get('/', 'Expect: x\r\n'), '417-'],
    [post('Expect: 200-ok\r\nContent-Length: 1\r\n', 'a'), '417-'],
    [get('/', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'), '200'],
    [get('/', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n'),
      '200'],
    [get() + 'GARBAGE\r\n\r\n' + get(), '200 400-'],
    [post('Content-Length: 3\r\n', 'abc') + get() + te('1\r\na\r\n0\r\n\r\n') + get(),
      '200 200 200 200'],
    [get('/silent') + get(), '204 200'], [get('/big?kb=300') + get(), '200 200'],
    [`HEAD /${V}${H}${E}`, '200'], [`HEAD /nowhere${V}${H}${E}`, '404'],
    [`HEAD /silent${V}${H}${E}`, '204'], [`HEAD /stream${V}${H}${E}`, '200'],
    [`HEAD /memory/app.js${V}${H}${E}`, '200'],
    [`HEAD /${V}${H}${E}` + `HEAD /stream${V}${H}${E}` + `HEAD /big${V}${H}${E}`, '200 200 200'],
  ],
}

let server
before(async () => { server = await Server.start('asan/http') })
after(() => server?.stops())

const methods = text =>
  [...text.matchAll(/(HEAD|GET|POST|PUT|OPTIONS) \S* HTTP/g)].map(match => match[1])
async function outcome(text) {
  const socket = await server.socket()
  socket.on('error', () => {})
  socket.write(Buffer.from(text, 'latin1'))
  socket.write(get('/show/mark')) // answered only where the connection goes on
  const closed = () => socket.readableEnded || socket.closed
  await until(() => closed() || socket.got.includes('"/show/mark"'),
    () => `an answer or an end after ${JSON.stringify(socket.got.slice(-200))}`)
  const { replies, rest } = split_replies(socket.got, [...methods(text), 'GET'])
  assert.equal(rest, '', JSON.stringify(rest.slice(0, 100)))
  socket.destroy()
  const over = !socket.got.includes('"/show/mark"')
  if (!over) assert.equal(replies.pop()?.status, 200, 'the connection goes on')
  if (over) assert.equal(replies.at(-1)?.headers.connection, 'close')
  return replies.map(reply => reply.status).join(' ') + (over ? '-' : '')
}

for (const [name, cases] of Object.entries(table)) {
  test(`${name}: ${cases.length} cases`, async () => {
    const wrong = []
    for (let i = 0; i < cases.length; i += 8) {
      await Promise.all(cases.slice(i, i + 8).map(async ([text, expected]) => {
        const got = await outcome(text).catch(error => `${error}`)
        if (got !== expected)
          wrong.push(`${JSON.stringify(text.length > 300 ? text.slice(0, 300) + '...' : text)}: ` +
            `${got}, not ${expected}`)
      }))
    }
    assert.equal(wrong.join('\n'), '')
  })
}

test('there are many cases, and the server has survived them', async () => {
  assert(Object.values(table).flat().length >= 200, String(Object.values(table).flat().length))
  assert.equal((await talk(server, get())).replies[0].body, 'ok')
})

test('HEAD answers as GET, without the body', async () => {
  const pick = ({ status, headers }) => ({ status, ...headers, date: undefined })
  for (const target of ['/', '/nowhere', '/big', '/memory/', '/memory/app.js', '/cookies',
      '/show/x']) {
    const [of_get, of_head] = await Promise.all(['GET', 'HEAD'].map(method =>
      talk(server, get(target).replace('GET', method), { methods: [method] })))
    const a = pick(of_get.replies[0]), b = pick(of_head.replies[0])
    if (target === '/show/x') a['content-length'] = b['content-length'] // it tells the method
    if (target === '/cookies') a['set-cookie'] = b['set-cookie'] // ... or the time
    assert.deepEqual(b, a, target)
    assert.equal(of_head.rest, '')
  }
  const { replies: [stream] } =
    await talk(server, get('/stream').replace('GET', 'HEAD'), { methods: ['HEAD'] })
  assert.equal(stream.headers['content-type'], 'text/event-stream')
  assert.match(stream.headers['cache-control'], /no-cache/)
  assert.equal(stream.headers['x-accel-buffering'], 'no')
  assert(!('content-length' in stream.headers))
})
