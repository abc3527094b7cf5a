// Real proxies in front of a server, each in a directory of its own: nginx and Caddy, as their
// documentation sets them up, and as the files in examples/proxy do.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { answers, root, until } from '../wire/wire.mjs'

const installed = (name, file) =>
  [`/${file}`, path.join(root, 'build', name, file)].find(existsSync)
export const programs =
  { nginx: installed('nginx', 'usr/sbin/nginx'), caddy: installed('caddy', 'usr/bin/caddy') }

const running = new Set() // none outlives its test
process.on('exit', () => running.forEach(child => child.kill('SIGKILL')))

// A program that is given its configuration as conf(dir) and listens on port soon; dir has key.pem
// and cert.pem for localhost.
class Proxy {
  constructor() {
    this.dir = mkdtempSync(path.join(os.tmpdir(), 'sse-proxy-'))
    this.said = ''
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj',
      '/CN=localhost', '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', this.file('key.pem'), '-out',
      this.file('cert.pem')],
    { stdio: 'ignore' })
  }

  file(name) { return path.join(this.dir, name) }

  async start(program, args, port, env) {
    assert(program, 'the proxy is not installed: see tests/setup.sh')
    this.child =
      spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
    this.ended = new Promise(done => this.child.once('close', done))
    this.child.stderr.setEncoding('utf8').on('data', text => { this.said += text })
    this.child.unref()
    this.child.stderr.unref()
    running.add(this.child)
    await until(async () => this.child.exitCode !== null || await answers(port),
      `${program} to listen`)
    assert.equal(this.child.exitCode, null, this.said)
    return this
  }

  async stop() {
    this.child.kill()
    const late = setTimeout(() => {
      console.error(`# a proxy did not end: ${this.said}`)
      this.child.kill('SIGKILL')
      this.child.stderr.destroy() // which a worker may have, and live on
    }, 60000)
    await this.ended
    clearTimeout(late)
    running.delete(this.child)
    rmSync(this.dir, { recursive: true, force: true })
  }
}

// A file of examples/proxy, in which only what each user has of their own is another: pairs of what
// stands there and what takes its place.
function example(name, own) {
  let text = readFileSync(path.join(root, 'examples/proxy', name), 'utf8')
  for (const [theirs, ours] of own) {
    assert(text.includes(theirs), `${name} has: ${theirs}`)
    text = text.replaceAll(theirs, ours)
  }
  return text
}

// Their sites, for an app ("127.0.0.1:port"): on port, by TLS unless tls is false; and from another
// port the redirect of nginx to the name.
export const nginx_site = (app, { port, redirects, tls = true }) => example('nginx.conf', [
  ['127.0.0.1:8000', app], ['app.example.com', 'localhost'],
  ['/etc/letsencrypt/live/localhost/fullchain.pem', 'cert.pem'],
  ['/etc/letsencrypt/live/localhost/privkey.pem', 'key.pem'],
  ['listen [::]:80;', ''], ['listen [::]:443 ssl http2;', ''],
  ['listen 80;', `listen 127.0.0.1:${redirects};`],
  ['listen 443 ssl http2;', `listen 127.0.0.1:${port}${tls ? ' ssl http2' : ''};`]])
export const caddy_site = (app, { port, tls = true }) => example('Caddyfile', [
  ['127.0.0.1:8000', app],
  ['\napp.example.com {', tls ? `\nhttps://:${port} {\n\ttls CERTIFICATE` : `\nhttp://:${port} {`]])

// servers: what stands in http {}, besides what is needed to run at all; paths in it are relative
// to the directory.
export async function nginx(port, servers) {
  const proxy = new Proxy()
  writeFileSync(proxy.file('nginx.conf'), `
${process.getuid() ? '' : 'user root;'} daemon off; pid nginx.pid;
error_log stderr warn; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${name};`).join(' ')}
  ${servers}
}`)
  await proxy.start(programs.nginx,
    ['-p', proxy.dir, '-c', proxy.file('nginx.conf'), '-e', 'stderr'], port)
  return { stop: () => proxy.stop() }
}

// sites: a Caddyfile, in which CERTIFICATE stands for the one of localhost.
export async function caddy(port, sites) {
  const proxy = new Proxy()
  writeFileSync(proxy.file('Caddyfile'), `{
  admin off
  auto_https off
}
${sites.replaceAll('CERTIFICATE', `${proxy.file('cert.pem')} ${proxy.file('key.pem')}`)}`)
  const env = { HOME: proxy.dir, XDG_DATA_HOME: proxy.dir, XDG_CONFIG_HOME: proxy.dir }
  await proxy.start(programs.caddy,
    ['run', '--config', proxy.file('Caddyfile'), '--adapter', 'caddyfile'], port, env)
  return { stop: () => proxy.stop() }
}
