// Headless Chromium, and Firefox where it is installed, for the browser tests. Each page is a user
// of its own: a browser context shares no connections with the others (one browser holds at most
// six HTTP/1.1 connections to an origin).
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { root } from '../wire/wire.mjs'

const require = createRequire(path.join(root, 'build/node/'))
process.env.PLAYWRIGHT_BROWSERS_PATH ??= path.join(root, 'build/browsers')
const { chromium } = require('playwright-core')

// Browsers write to their user's home, too, not only to the profile.
const home = mkdtempSync(path.join(os.tmpdir(), 'sse-home-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 20 }))
const env = { ...process.env, HOME: home }
for (const place of ['CONFIG', 'CACHE', 'DATA', 'STATE']) delete env[`XDG_${place}_HOME`]

const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

// For a page: what its timers are to wait is in window.waits, however busy the machine is.
export const note_waits = () => {
  const wait = window.setTimeout
  window.waits = []
  window.setTimeout = (fn, ms, ...args) => {
    window.waits.push({ ms, fn: String(fn) })
    return wait(fn, ms, ...args)
  }
}

// With a new profile, removed when it is closed; more: flags. This is Chromium without its windows,
// where a page costs a third of the work; launch_whole() for tests of pages that are left and come
// back. Neither is installed: that of playwright.
const start = async (names, more) => ends(patient(await chromium.launch({
  env, args: [...flags, ...more],
  executablePath: names.map(name => `/usr/bin/${name}`).find(existsSync) })))
export const launch = (...more) => start(['chromium-headless-shell'], more)
export const launch_whole = (...more) => start(['chromium', 'chromium-browser'], more)

// Firefox, by WebDriver BiDi; undefined: it is not installed. It allows insecure certificates, and
// nothing moves on its pages. more: preferences
const firefox = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync)
export async function launch_firefox(more = {}) {
  return firefox && ends(patient(await require('puppeteer-core').launch({ browser: 'firefox',
    executablePath: firefox, env, acceptInsecureCerts: true,
    extraPrefsFirefox: { 'ui.prefersReducedMotion': 1, ...more } })))
}

// A browser that does not close when it is told to, as happens on a busy machine, is none of what
// is tested: it is killed.
function ends(browser) {
  const close = browser.close.bind(browser)
  browser.close = async () => {
    let timer
    const late = new Promise(done => { timer = setTimeout(done, 60000, 'late') })
    if (await Promise.race([close(), late]) === 'late') {
      console.error('# a browser did not close')
      browser.process?.()?.kill('SIGKILL')
    }
    clearTimeout(timer)
  }
  return browser
}

// What a browser makes has no deadlines of its own: those of the tests will do.
function patient(maker) {
  for (const name of ['newContext', 'createBrowserContext', 'newPage']) {
    const make = maker[name]?.bind(maker)
    if (make) maker[name] = async (...options) => {
      const made = await make(...options)
      made.setDefaultTimeout?.(150000)
      return patient(made)
    }
  }
  return maker
}

// A page of a new user; what goes wrong in it collects in .errors.
export async function visit(browser, url, { width = 390, height = 700 } = {}) {
  const context = await browser.newContext({ viewport: { width, height } })
  const page = await context.newPage()
  page.errors = []
  page.on('pageerror', error => page.errors.push(String(error)))
  page.on('console',
    message => { if (message.type() === 'error') page.errors.push(message.text()) })
  await page.goto(url)
  return page
}
