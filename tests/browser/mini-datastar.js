// A stand-in for the Datastar client where it cannot be had: the part of its protocol that the tests use.
//   data-signals='{...}'  data-bind:name  data-text  data-show  data-init  data-on:event[__prevent]  data-effect
//   @get @post @put @patch @delete; datastar-patch-elements in all modes; datastar-patch-signals
const signals = {}
const effects = new Set()

// ---- signals and expressions ---------------------------------------------------------------------------------------------------
function merge(into, patch, only_if_missing) { // RFC 7386
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) { if (!only_if_missing) delete into[name] }
    else if (typeof value === 'object' && !Array.isArray(value)) merge(into[name] ??= {}, value, only_if_missing)
    else if (!only_if_missing || !(name in into)) into[name] = value
  }
}

function changed() {
  for (const effect of [...effects]) effect.element.isConnected ? effect.run() : effects.delete(effect)
}

function compile(text) {
  const body = text.replace(/\$(\w+)/g, 'signals.$1').replace(/@(\w+)\(/g, 'action("$1")(').replace(/(.*;)?([^;]+);?\s*$/s, '$1 return ($2)')
  return new Function('signals', 'el', 'evt', 'action', body)
}

function run(element, text, event) {
  const value = compile(text)(signals, element, event, method => url => request(method.toUpperCase(), url))
  return value
}

function keep(element, update) {
  effects.add({ element, run: update })
  update()
}

// ---- attributes ------------------------------------------------------------------------------------------------------------------
function bind(element, name) {
  if (signals[name] === undefined) signals[name] = element.value ?? ''
  keep(element, () => { if (element.value !== String(signals[name])) element.value = signals[name] })
  for (const type of ['input', 'change']) element.addEventListener(type, () => { signals[name] = element.value; changed() })
}

function apply(element, attribute, value) {
  const [, kind, key, modifiers] = /^data-([a-z]+)(?:[:](.+?))?(__.*)?$/.exec(attribute) ?? []
  if (kind === 'signals') merge(signals, key ? { [key]: run(element, value) } : run(element, `(${value})`), true)
  else if (kind === 'bind') bind(element, key ?? value)
  else if (kind === 'text') keep(element, () => { element.textContent = run(element, value) ?? '' })
  else if (kind === 'show') keep(element, () => { element.style.display = run(element, value) ? '' : 'none' })
  else if (kind === 'effect') keep(element, () => run(element, value))
  else if (kind === 'init') run(element, value)
  else if (kind === 'on') element.addEventListener(key, event => {
    if (modifiers?.includes('__prevent')) event.preventDefault()
    run(element, value, event)
    changed()
  })
}

function scan(top) {
  for (const element of [top, ...top.querySelectorAll('*')]) {
    for (const { name, value } of [...element.attributes].sort((a, b) => order(a.name) - order(b.name))) apply(element, name, value)
  }
}
const order = name => name.startsWith('data-signals') ? 0 : name.startsWith('data-bind') ? 1 : name.startsWith('data-init') ? 3 : 2

// ---- requests and their streams ----------------------------------------------------------------------------------------------------
async function request(method, url, tries = 0) {
  const options = { method, headers: { 'Datastar-Request': 'true', Accept: 'text/event-stream, text/html, application/json' } }
  const json = JSON.stringify(signals)
  if (method === 'GET' || method === 'DELETE') url += (url.includes('?') ? '&' : '?') + 'datastar=' + encodeURIComponent(json)
  else {
    options.body = json
    options.headers['Content-Type'] = 'application/json'
  }
  let reply
  try {
    reply = await fetch(url, options)
    const type = reply.headers.get('Content-Type') ?? ''
    if (type.startsWith('text/event-stream')) await read(reply.body)
    else if (type.startsWith('application/json')) patch_signals(await reply.text())
    else if (reply.status === 200 && type.startsWith('text/html')) patch_elements({ elements: await reply.text() })
    if (!type.startsWith('text/event-stream')) return
  } catch (error) { if (tries >= 10) throw error }
  if (method === 'GET') setTimeout(() => request(method, url.replace(/[?&]datastar=[^&]*$/, ''), reply?.ok ? 0 : tries + 1), 1000)
}

async function read(body) {
  let rest = '', event = {}
  for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (rest + value).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      if (line === '') { dispatch(event); event = {}; continue }
      const [, name, text] = /^([^:]*):? ?(.*)$/.exec(line)
      if (name === 'event') event.type = text
      if (name === 'data') (event.data ??= []).push(text)
    }
  }
}

function dispatch({ type, data = [] }) {
  const fields = {}
  for (const line of data) {
    const [, name, value] = /^(\S+) ?(.*)$/.exec(line) ?? []
    if (name) fields[name] = name in fields ? fields[name] + '\n' + value : value
  }
  if (type === 'datastar-patch-elements') patch_elements(fields)
  if (type === 'datastar-patch-signals') patch_signals(fields.signals, fields.onlyIfMissing === 'true')
}

function patch_signals(text, only_if_missing) {
  merge(signals, JSON.parse(text), only_if_missing)
  changed()
}

function insert(target, mode, nodes) {
  if (mode === 'inner') target.replaceChildren(...nodes)
  else if (mode === 'outer' || mode === 'replace') target.replaceWith(...nodes)
  else target[mode](...nodes) // append prepend before after
}

function patch_elements({ elements = '', selector, mode = 'outer' }) {
  if (mode === 'remove' && selector) return document.querySelectorAll(selector).forEach(element => element.remove())
  const template = document.createElement('template')
  template.innerHTML = elements
  for (const script of template.content.querySelectorAll('script')) { // a parsed script does not run; a created one does
    const live = document.createElement('script')
    for (const { name, value } of script.attributes) live.setAttribute(name, value)
    live.textContent = script.textContent
    script.replaceWith(live)
  }
  const nodes = [...template.content.children]
  for (const [targets, fresh] of selector
    ? [[[...document.querySelectorAll(selector)], nodes]]
    : nodes.map(node => [[document.getElementById(node.id)].filter(Boolean), [node]])) {
    if (!targets.length) console.warn(`no element for ${selector ?? fresh[0].id}`)
    for (const target of targets) {
      insert(target, mode, fresh)
      fresh.filter(node => node.isConnected).forEach(scan)
    }
  }
  changed()
}

scan(document.documentElement)
