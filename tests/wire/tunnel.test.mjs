#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Tunnels, through stand-ins for agents and through a real ssh -R.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync,
  writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after } from 'node:test'
import { answers, request, Server, test, until } from './wire.mjs'

const dir = mkdtempSync(path.join(os.tmpdir(), 'sse-tunnel-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const pid_file = path.join(dir, 'pid')
const agent_pid = () => Number(readFileSync(pid_file, 'utf8'))
// it may end at any moment
const status =
  pid => { try { return readFileSync(`/proc/${pid}/status`, 'utf8') } catch { return '' } }
const state = pid => /^State:\s+(\S)/m.exec(status(pid))?.[1] ?? 'gone'
const ended = pid => state(pid) === 'gone' || state(pid) === 'Z' &&
  Number(/^PPid:\s+(\d+)/m.exec(status(pid))?.[1] ?? 1) === 1
const tunnel_of = server => /tunnel (\S+)/.exec(server.stdout)[1]
const start = (command, ...args) => {
  rmSync(pid_file, { force: true })
  return Server.start('asan/tunnel', { args: [command, ...args] })
}
const group_of = pid => readdirSync('/proc').filter(name => /^\d+$/.test(name)).filter(name => {
  try {
    return readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /, '')
      .split(' ')[2] === String(pid)
  } catch {
    return false
  }
})

function agent(name, body) {
  const file = path.join(dir, name)
  writeFileSync(file, `#!/bin/sh\necho $$ > ${pid_file}\n${body}\n`, { mode: 0o755 })
  return file
}

const says = (server, host, headers = {}) =>
  request(server, 'GET', '/', { headers: { Host: host, ...headers } })

test('ngrok: token from the environment, address from its JSON log', async () => {
  agent('ngrok', `[ "$NGROK_AUTHTOKEN" = secret ] || { echo "ERR_NGROK_4018"; exit 1; }
[ "$1 $3 $4 $5 $6" = "http --log stdout --log-format json" ] || exit 2
echo '{"lvl":"info","msg":"no configuration paths supplied","t":"x"}'
printf '{"addr":"127.0.0.1:4040","lvl":"info","msg":"starting web service",'
echo '"obj":"web","url":"http://127.0.0.1:4040"}'
printf '{"addr":"http://localhost:%s","lvl":"info","msg":"started tunnel",' "$2"; sleep 0.1
printf '"name":"command_line","obj":"tunnels","url":"https://demo-%s.ngrok.example"}\\n' "$2"
exec sleep 300`)
  rmSync(pid_file, { force: true })
  const server = await Server.start('asan/tunnel',
    { env: { PATH: `${dir}:${process.env.PATH}`, NGROK_AUTHTOKEN: 'secret' } })
  const host = `demo-${server.port}.ngrok.example`
  assert.equal(tunnel_of(server), 'https://' + host)
  assert.equal((await says(server, host)).body, 'hello')
  assert.equal((await says(server, host.toUpperCase())).body, 'hello')
  assert.equal((await says(server, 'localhost')).body, 'hello')
  assert.equal((await says(server, 'x' + host)).status, 421)
  assert.equal((await says(server, 'other.example')).status, 421)
  const open_in = pid => readdirSync(`/proc/${pid}/fd`)
    .map(fd => { try { return [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)] } catch { return [fd] } })
  const ours = new Set(open_in('self').map(([, file]) => file)) // what this test was started with
  // a shell has its script open until it executes the sleep
  await until(() => !open_in(agent_pid()).some(([fd, file]) => Number(fd) > 2 && !ours.has(file)),
    'nothing of the server to be open in the agent')
  const pid = agent_pid()
  await server.stops()
  await until(() => ended(pid), 'the agent to end')
})

test('a page that came through the tunnel may post', async () => {
  const server = await start(agent('posts', 'echo https://shop.example; exec sleep 300'))
  const post = origin =>
    request(server, 'POST', '/stop', { headers: { Host: 'shop.example', Origin: origin } })
  assert.equal((await post('https://evil.example')).status, 403)
  assert.equal((await post('https://shop.example')).status, 204)
  assert.equal((await says(server, 'shop.example')).status, 421,
    'a stopped tunnel\'s name is no longer ours')
  assert(ended(agent_pid()))
  await server.stops()
})

test('any agent: the first address without a path, not of this machine', async () => {
  const server = await start(agent('talks', `echo "Welcome! Docs: https://example.org/docs/ ." >&2
echo "forwarding to http://localhost:1234 (http://127.0.0.1:4040)"
echo "to have a name of your own go to https://admin.example/"
echo "| https://abc-1.example:8443 | is yours"
echo "https://second.example"
i=0
while [ $i -lt 3000 ]; do
  echo "a line of log, $i, and another, and another, and another"; i=$((i+1))
done
echo done > ${path.join(dir, 'done')}; exec sleep 300`))
  assert.equal(tunnel_of(server), 'https://abc-1.example:8443')
  assert.equal((await says(server, 'abc-1.example:8443')).status, 200)
  await until(() => existsSync(path.join(dir, 'done')), 'all its lines to be taken in')
  await server.stops()
})

test('no address yet: the loop finds it later', async () => {
  const server = await start(
    agent('slow', 'sleep 0.6; printf "https://slow.example"; sleep 0.2; echo; exec sleep 300'), '0')
  assert.equal(tunnel_of(server), 'none')
  await until(async () =>
    (await request(server, 'GET', '/address')).body === 'https://slow.example', 'the address')
  await server.stops()
})

test('an agent that ends is noticed, buried and logged', async () => {
  const server = await start(agent('fails', 'echo "bad token"; exit 1'))
  assert.equal(tunnel_of(server), 'none')
  assert.match(server.stderr, /agent ended: bad token/)
  assert.deepEqual(readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8'), '',
    'no zombie')
  await server.stops()
  const missing = await Server.start('asan/tunnel', { args: ['/no/such/agent {port}'] })
  assert.match(missing.stderr, /agent ended: .*not found/)
  await missing.stops()
})

test('kill -9 of the program ends the agent, also one that will not', async () => {
  const kind = await start(agent('kind', 'echo https://kind.example; exec sleep 300'))
  const pid = agent_pid()
  await kind.stop({ signal: 'SIGKILL' })
  await until(() => ended(pid), 'the agent to end', 20000)
  const stubborn = await start(
    agent('stubborn', "trap '' TERM; echo https://stubborn.example; while :; do sleep 1; done"))
  const other = agent_pid()
  const group = readFileSync(`/proc/${other}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[2]
  await stubborn.stop({ signal: 'SIGKILL' })
  await until(() => ended(other), 'the stubborn agent to end', 20000)
  await until(() => group_of(group).every(pid => ended(pid)), 'all of its group to end', 20000)
})

test('a stubborn agent is ended by force', async () => {
  const server = await start(
    agent('stubborn', "trap '' TERM; echo https://stubborn.example; while :; do sleep 1; done"))
  const pid = agent_pid(), began = Date.now()
  await server.stops()
  assert(Date.now() - began < 30000)
  await until(() => ended(pid), 'the agent to end', 20000)
})

test('a real ssh -R to an sshd here', async t => {
  const sshd = ['/usr/sbin/sshd', '/usr/bin/sshd'].find(existsSync)
  if (!sshd) return t.skip('no sshd')
  const free = () => new Promise(done => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address()
      s.close(() => done(port))
    })
  })
  const [port, remote] = [await free(), await free()], file = name => path.join(dir, name)
  for (const name of ['host', 'key'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)])
  writeFileSync(file('authorized_keys'), readFileSync(file('key.pub')), { mode: 0o600 })
  writeFileSync(file('sshd_config'), [`Port ${port}`, 'ListenAddress 127.0.0.1',
    `HostKey ${file('host')}`, `AuthorizedKeysFile ${file('authorized_keys')}`,
    `PidFile ${file('sshd.pid')}`, 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no',
    'PermitRootLogin yes', 'AllowTcpForwarding yes', ''].join('\n'))
  if (process.getuid() === 0) execFileSync('mkdir', ['-p', '/run/sshd'])
  const daemon =
    spawn(sshd, ['-D', '-e', '-f', file('sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  daemon.stderr.setEncoding('utf8').on('data', text => { log += text })
  try {
    await until(() => answers(port), () => `sshd: ${log}`, 20000)
    const server =
      await start(`exec ssh -N -T -p ${port} -i ${file('key')} -o StrictHostKeyChecking=no -o ` +
      `UserKnownHostsFile=/dev/null -o BatchMode=yes ` +
      `-o ExitOnForwardFailure=yes -o PermitLocalCommand=yes -o LocalCommand='echo ` +
        `http://tunnel.example:${remote}' ` +
      `-R ${remote}:127.0.0.1:{port} ${os.userInfo().username}@127.0.0.1`)
    assert.equal(tunnel_of(server), `http://tunnel.example:${remote}`, server.stderr + log)
    await until(() => answers(remote), () => `the forwarded port: ${log}`, 20000)
    const reply =
      await request({ port: remote }, 'GET', '/', { headers: { Host: `tunnel.example:${remote}` } })
    assert.equal(reply.body, 'hello')
    assert.equal((await request({ port: remote }, 'GET', '/',
      { headers: { Host: 'evil.example' } })).status, 421)
    await server.stops()
    await until(async () => !await answers(remote), 'the forwarding to end', 20000)
  } finally {
    daemon.kill()
  }
})
