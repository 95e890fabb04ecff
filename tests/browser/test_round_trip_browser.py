"""How long a message takes from the page to the kernel and back, on both lanes, idle and beside a busy cell."""

import pytest
from lab import until

PINGS = 40
SOCKET = """async ([address, count]) => {
    const socket = new WebSocket(`ws://127.0.0.1:${address.port}/${address.path}?t=${address.token}`);
    socket.binaryType = 'arraybuffer';
    await new Promise((done, failed) => { socket.onopen = done; socket.onerror = failed; });
    const lane = { send: data => socket.send(data), listen: take => { socket.onmessage = event => take(event.data); } };
    const times = await window.roundTrips(lane, count);
    socket.close();
    return times;
}"""
COMM = """async ([id, count]) => {
    const comm = jupyterapp.shell.currentWidget.sessionContext.session.kernel._comms.get(id);
    const before = comm.onMsg;
    const lane = {
        send: data => comm.send({ method: 'custom', content: { imkit: 1 } }, {}, [data]),
        listen: take => {
            comm.onMsg = message => {
                for (const view of message.buffers ?? []) {
                    take(view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view);
                }
                return before?.(message);
            };
        },
    };
    const times = await window.roundTrips(lane, count);
    comm.onMsg = before;
    return times;
}"""
ROUND_TRIPS = """() => void (window.roundTrips = async (lane, count) => {
    const sent = new Map(), times = [];
    lane.listen(data => {
        const kind = new DataView(data).getUint8(1);
        if (kind !== 18) return;
        const message = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 24)));
        if (message.type === 'pong' && sent.has(message.n)) times.push(performance.now() - sent.get(message.n));
    });
    for (let n = 0; n < count; n++) {
        const ping = { type: 'ping', n: 5e8 + n, t: 0, filler: 'x'.repeat(6400) };
        const body = new TextEncoder().encode(JSON.stringify(ping));
        const frame = new Uint8Array(24 + body.length), head = new DataView(frame.buffer);
        head.setUint8(0, 1);
        head.setUint8(1, 4);
        head.setUint32(12, body.length, true);
        frame.set(body, 24);
        sent.set(5e8 + n, performance.now());
        lane.send(frame.buffer);
        await new Promise(done => setTimeout(done, 100));
    }
    await new Promise(done => setTimeout(done, 1000));
    return times.sort((a, b) => a - b);
})"""
LOOP = """
import time
end = time.monotonic() + 9
while time.monotonic() < end:
    sum(i * i for i in range(99))
print("ended")
"""


@pytest.mark.parametrize("lane", ["socket", "comm"])
def test_every_message_is_answered(notebook, lane):
    notebook.show()
    notebook.start()
    notebook.page.evaluate(ROUND_TRIPS)
    address = notebook.value("session._display.socket.address()")
    comm_id = notebook.value("session._display.panel.comm.comm_id")
    script, where = (SOCKET, address) if lane == "socket" else (COMM, comm_id)
    for load in ("idle", "python loop"):
        place = notebook.start_running(LOOP) if load != "idle" else None
        times = notebook.page.evaluate(script, [where, PINGS])
        assert len(times) == PINGS
        p50, p95 = times[PINGS // 2], times[PINGS * 95 // 100]
        print(f"{lane}, {load}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, worst {times[-1]:.1f} ms")
        if place is not None:
            until(lambda place=place: notebook.ended(place), 20, "the loop did not end")
