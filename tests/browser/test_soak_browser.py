"""A hundred kernel restarts and fifty reloads of a real page: no process, port, file or thread may be left.

``make test-soak`` runs these. IMKIT_SOAK_RESTARTS and IMKIT_SOAK_RELOADS say how many, for a quick look.
"""

import os
import tempfile
from pathlib import Path

import psutil
import pytest
from lab import answer_delays, until

RESTARTS = int(os.environ.get("IMKIT_SOAK_RESTARTS", "100"))
RELOADS = int(os.environ.get("IMKIT_SOAK_RELOADS", "50"))
pytestmark = pytest.mark.slow
LEFT = """
def left():
    import os, threading, ipywidgets, psutil
    names = [thread.name for thread in threading.enumerate()]
    display, shells = session._display, sum(name.startswith('subshell') for name in names)
    lane = display.socket.address()['port']
    ours = sorted(name for name in names if name.startswith('imkit'))
    roads = sum(one.laddr.port == lane for one in psutil.Process().net_connections('tcp'))
    views, widgets = len(display.link.lease.views), len(ipywidgets.widgets.widget._instances)
    return [ours, roads, widgets, views], len(os.listdir('/proc/self/fd')), shells
"""
SHELL_FILES = 8  # a subshell of the kernel, which JupyterLab opens for the comms of a page, holds no more files
HEAP = "window.performance.memory?.usedJSHeapSize ?? 0"


def family(lab):
    """Processes of the server, ports that they listen on, and files in the folders for temporary things."""
    processes = [psutil.Process(lab.process.pid), *psutil.Process(lab.process.pid).children(recursive=True)]
    ports = 0
    for process in processes:
        ports += sum(one.status == psutil.CONN_LISTEN for one in process.net_connections("tcp"))
    files = [*Path(tempfile.gettempdir()).glob("*imkit*"), *(lab.folder / "runtime").glob("kernel-*")]
    return len(processes), ports, len(files)


def test_kernel_restarts_leave_nothing(notebook, lab):
    notebook.show()
    notebook.start()
    notebook.stop()
    one = family(lab)
    for number in range(RESTARTS):
        notebook.page.evaluate("jupyterapp.commands.execute('notebook:delete-cell')")
        notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        notebook.ready()
        notebook.show()
        notebook.start()
        until(lambda: family(lab) == one, 20, f"restart {number}: {family(lab)}, after the first start {one}")
    until(lambda: answer_delays(notebook.tap()), 20, f"no answer after {RESTARTS} restarts: {notebook.stats()}")
    print(f"\n{RESTARTS} kernel restarts: processes, ports, files {family(lab)}, after the first start {one}")
    lab.end_kernels()
    until(lambda: family(lab)[0] < one[0], 20, f"a kernel outlived its end: {family(lab)}")


def test_reloads_leave_nothing(notebook, lab):
    notebook.show()

    def again():
        notebook.save()  # a page that is not saved asks whether it may be left
        notebook.page.reload()
        notebook.ready()
        if not notebook.page.locator(".imk-root").count():
            notebook.run("session")
        notebook.connected()
        notebook.start()

    def ours():
        return notebook.value("left()[0]")

    notebook.run(LEFT)
    again()
    until(lambda: ours()[3] == 1, 20, "the page before the reload is not forgotten")
    one, here, heap = ours(), family(lab), notebook.page.evaluate(HEAP)
    _, files, shells = notebook.value("left()")
    for _ in range(RELOADS):
        again()
    until(lambda: ours() == one, 20, f"{ours()}, after one reload {one}")
    until(lambda: answer_delays(notebook.tap()), 20, f"no answer after {RELOADS} reloads: {notebook.stats()}")
    _, files_now, shells_now = notebook.value("left()")
    assert files_now - files <= SHELL_FILES * max(0, shells_now - shells) + 2
    now = family(lab)
    assert all(left <= before for left, before in zip(now, here, strict=True)), f"{now}, after one reload {here}"
    grown_mb = (notebook.page.evaluate(HEAP) - heap) / 1e6
    print(
        f"\n{RELOADS} reloads: threads, sockets, widgets, pages {one} as before; subshells of Jupyter +"
        f"{shells_now - shells}, open files +{files_now - files}; heap of the page +{grown_mb:.1f} MB"
    )
