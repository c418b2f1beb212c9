// What a hostile page can try against the daemon, each way under a name, and what of the outcome a page can see.
// `args`: { bases, paths, slowBases, slowPaths }; the slow ones are for what takes a browser long, such as frames.
// Gives { "way|base|path": outcome }.
//
// An outcome begins with "read" where a page got hold of an answer's status or body, and with "open" where it got a
// WebSocket.
const WAIT_MS = 60_000;
const FORGED = JSON.stringify({ root: 'main', root_key: 'main', path: 'forged', write: true, create: true, length: 0 });

const within = (promise) => Promise.race([
    promise,
    new Promise((resolve) => setTimeout(() => resolve('nothing'), WAIT_MS)),
]);

const seen = async (answer) =>
    answer.type.startsWith('opaque') ? `${answer.type} ${answer.status}` : `read ${answer.status} ${await answer.text()}`;

const fetches = (init) => (url) => fetch(url, init).then(seen, (error) => `error ${error.name}`);

const xhr = (method, fields, body) => (url) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.onloadend = () => resolve(request.status ? `read ${request.status} ${request.responseText}` : 'error');
    request.open(method, url);
    fields.forEach(([name, value]) => request.setRequestHeader(name, value));
    request.send(body);
});

// An element that loads `url` by `attribute`.
const loads = (tag, attribute, more = {}) => (url) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(tag), more);
    const end = (outcome) => { element.remove(); resolve(outcome); };
    element.onload = () => end(`event load ${element.naturalWidth} ${framed(element)}`);
    element.onloadeddata = () => end('event loadeddata');
    element.onerror = () => end(`event error ${element.error?.code} ${element.error?.message}`);
    element[attribute] = url;
    document.body.append(element);
});

// What of a frame's document can be seen from outside.
const framed = (frame) => {
    if (!('contentWindow' in frame)) return '';
    let body = 'hidden';
    try {
        body = frame.contentWindow.location.href === 'about:blank' ? 'blank' : `read ${frame.contentDocument.body.innerText}`;
    } catch { /* Another origin's. */ }
    return `${body} ${frame.contentWindow.length}`;
};

// A form that posts into a frame.
const form = (enctype, method = 'post') => (url) => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    const form = document.createElement('form');
    const input = document.createElement('input');
    const end = (outcome) => { frame.remove(); form.remove(); resolve(outcome); };
    frame.name = form.target = `frame-${Math.random()}`;
    // As text/plain this is JSON.
    input.name = FORGED.slice(0, -1) + ',"x":"';
    input.value = '"}';
    Object.assign(form, { action: url, method, enctype });
    form.append(input);
    document.body.append(frame, form);
    // The first event is that of the empty frame.
    frame.onload = () => end(`event load ${framed(frame)}`);
    form.submit();
});

const source = (url) => new Promise((resolve) => {
    const events = new EventSource(url);
    const end = (outcome) => { events.close(); resolve(outcome); };
    events.onopen = () => end('read: opened');
    events.onerror = () => end(`event error ${events.readyState}`);
});

const socket = (url) => new Promise((resolve) => {
    const socket = new WebSocket(url.replace('http:', 'ws:'));
    socket.onopen = () => { resolve('open'); socket.close(); };
    socket.onclose = (event) => resolve(`close ${event.code} ${event.reason} ${event.wasClean}`);
});

const guess = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const ways = {
    'fetch': fetches({}),
    'fetch no-cors': fetches({ mode: 'no-cors' }),
    'fetch same-origin': fetches({ mode: 'same-origin' }),
    'fetch HEAD no-cors': fetches({ mode: 'no-cors', method: 'HEAD' }),
    'fetch with credentials': fetches({ credentials: 'include' }),
    'fetch without referrer': fetches({ referrerPolicy: 'no-referrer', mode: 'no-cors' }),
    'fetch with redirects by hand': fetches({ redirect: 'manual' }),
    'fetch to loopback': fetches({ targetAddressSpace: 'loopback' }),
    'fetch POST text': fetches({ method: 'POST', body: FORGED }),
    'fetch POST text no-cors': fetches({ method: 'POST', mode: 'no-cors', body: FORGED }),
    'fetch POST form no-cors': fetches({ method: 'POST', mode: 'no-cors', body: new URLSearchParams({ path: 'forged' }) }),
    'fetch POST blob no-cors': fetches({ method: 'POST', mode: 'no-cors', body: new Blob([FORGED]) }),
    'fetch POST keepalive': fetches({ method: 'POST', mode: 'no-cors', keepalive: true, body: FORGED }),
    'fetch POST JSON': fetches({ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: FORGED }),
    'fetch PUT': fetches({ method: 'PUT', body: FORGED }),
    'fetch PATCH': fetches({ method: 'PATCH', body: FORGED }),
    'fetch DELETE': fetches({ method: 'DELETE' }),
    'fetch OPTIONS': fetches({ method: 'OPTIONS' }),
    'fetch with a guessed token': fetches({ headers: { 'X-JST-Auth': guess, 'X-JST-Session': 's' } }),
    'fetch with a guessed bearer': fetches({ headers: { Authorization: `Bearer ${guess}` } }),
    'fetch with a path': fetches({ headers: { 'X-Path-Base64': btoa('precious') } }),
    'fetch with a range': fetches({ headers: { Range: 'bytes=0-1' } }),
    'fetch range no-cors': fetches({ mode: 'no-cors', headers: { Range: 'bytes=0-1' } }),
    'xhr GET': xhr('GET', []),
    'xhr POST': xhr('POST', [], FORGED),
    'xhr POST JSON': xhr('POST', [['Content-Type', 'application/json']], FORGED),
    'xhr PATCH': xhr('PATCH', [['X-JST-Auth', guess]], FORGED),
    'img': loads('img', 'src'),
    'img crossorigin': loads('img', 'src', { crossOrigin: 'anonymous' }),
    'script': loads('script', 'src'),
    'module': loads('script', 'src', { type: 'module' }),
    'stylesheet': loads('link', 'href', { rel: 'stylesheet' }),
    'preload': loads('link', 'href', { rel: 'preload', as: 'fetch' }),
    'video': loads('video', 'src'),
    'audio': loads('audio', 'src'),
    'import': (url) => import(url).then(() => 'read: imported', (error) => `error ${error.name}`),
    'beacon': async (url) => `sent ${navigator.sendBeacon(url, FORGED)}`,
    'beacon blob': async (url) => `sent ${navigator.sendBeacon(url, new Blob([FORGED], { type: 'text/plain' }))}`,
    'EventSource': source,
};
const slowWays = {
    'form urlencoded': form('application/x-www-form-urlencoded'),
    'form multipart': form('multipart/form-data'),
    'form text': form('text/plain'),
    'form get': form('text/plain', 'get'),
    'object': loads('object', 'data'),
    'embed': loads('embed', 'src'),
    'iframe': loads('iframe', 'src'),
    'iframe sandboxed': loads('iframe', 'src', { sandbox: 'allow-scripts' }),
    'WebSocket': socket,
};

// What the browser itself tells a page of the requests to `url`, but for times; beacons and event sources have
// theirs whenever it comes.
const told = (url) => performance.getEntriesByName(url)
    .filter((entry) => !['beacon', 'other'].includes(entry.initiatorType))
    .map((entry) => [entry.initiatorType, entry.transferSize > 0, entry.responseStatus, entry.contentType].join(' '))
    .sort().join('; ');

performance.setResourceTimingBufferSize(1_000_000);
const outcomes = {};
const attemptAll = (way, attempt, bases, paths) => Promise.all(bases.flatMap((base) => paths.map(async (path) => {
    const attempted = (async () => attempt(base + path))().catch((error) => `error ${error.name}`);
    outcomes[`${way}|${base}|${path}`] = await within(attempted);
})));
for (const [way, attempt] of Object.entries(ways)) await attemptAll(way, attempt, args.bases, args.paths);
await attemptAll('timing entries', async (url) => told(url), args.bases, args.paths);
performance.clearResourceTimings();
for (const [way, attempt] of Object.entries(slowWays)) await attemptAll(way, attempt, args.slowBases, args.slowPaths);
await attemptAll('timing entries of frames', async (url) => told(url), args.slowBases, args.slowPaths);
return outcomes;
