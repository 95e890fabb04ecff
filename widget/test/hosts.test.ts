// Where the page runs, what it may do there, and how it says so.

import { describe, expect, it } from "vitest";
import { capturePageUrl, type HostFacts, type Obstacle, obstacleOf } from "../src/host";
import { type PageSocket, SocketModel } from "../src/socketmodel";
import { hint, type StatusFacts } from "../src/status";
import { isDark } from "../src/theme";

const lab: HostFacts = { protocol: "http:", hostname: "localhost", secure: true, media: true, allowed: true, vscode: false };

describe("what is in the way of a microphone", () => {
  const cases: [string, Partial<HostFacts>, Obstacle][] = [
    ["JupyterLab on this machine", {}, ""],
    ["Firefox, which does not tell of frames", { allowed: null }, ""],
    ["plain http from another machine", { hostname: "lab.example", secure: false, media: false }, "insecure"],
    ["VS Code on the desktop", { protocol: "vscode-webview:", hostname: "1a2b", allowed: false }, "vscode"],
    ["VS Code in a browser", { protocol: "https:", hostname: "x.vscode-cdn.net", allowed: false }, "vscode"],
    ["code-server, known by its marks", { protocol: "https:", hostname: "code.example", vscode: true, allowed: null }, "vscode"],
    ["a VS Code that gives its webviews a microphone one day", { protocol: "vscode-webview:", hostname: "1a2b" }, ""],
    ["a notebook in a frame without permission", { protocol: "https:", hostname: "hub.example", allowed: false }, "frame"],
    ["a browser without capture", { media: false }, "unsupported"],
  ];
  it.each(cases)("%s", (_, facts, obstacle) => expect(obstacleOf({ ...lab, ...facts })).toBe(obstacle));

  it("the capture page is offered where a browser can reach it", () => {
    const address = { port: 4123, token: "a/b", path: "/imkit/x" };
    const url = "http://127.0.0.1:4123/imkit/x/page?t=a%2Fb";
    expect(capturePageUrl(address, "vscode", "1a2b")).toBe(url);
    expect(capturePageUrl(address, "unsupported", "localhost")).toBe(url);
    expect(capturePageUrl(address, "insecure", "lab.example")).toBe(""); // its own machine is not the kernel's
    expect(capturePageUrl(address, "frame", "hub.example")).toBe("");
    expect(capturePageUrl(address, "", "localhost")).toBe("");
    expect(capturePageUrl(null, "vscode", "1a2b")).toBe(""); // the comm lane alone: no server to serve it
  });

  it("is said in words, with the way out", () => {
    const device = { wanted: false, on: false, permission: "unavailable" as const };
    const facts: StatusFacts = {
      link: "connected", state: "idle", reason: "", starting: false, running: false, mine: true, silentKernel: false, soundBlocked: false, obstacle: "",
      pageUrl: "", microphone: device, camera: device, demo: false, recording: "", inside: "", notebook: false, lane: "comm",
      laneReason: "", rttMs: null, computeMs: null, dropped: 0, missed: 0,
    };
    expect(hint(facts)).toBe("");
    expect(hint({ ...facts, obstacle: "vscode", pageUrl: "http://127.0.0.1:1/" })).toMatch(/VS Code .* open the capture page/);
    expect(hint({ ...facts, obstacle: "vscode" })).toMatch(/VS Code .* JupyterLab/);
    expect(hint({ ...facts, obstacle: "insecure" })).toMatch(/https.*ssh -L/);
    expect(hint({ ...facts, running: true, soundBlocked: true })).toMatch(/Turn sound on.*Firefox/);
    expect(hint({ ...facts, running: false, soundBlocked: true })).toBe("");
    expect(hint({ ...facts, obstacle: "frame" })).toMatch(/page around this notebook/);
  });
});

describe("the page that the kernel serves", () => {
  class FakeSocket implements PageSocket {
    binaryType = "";
    readyState = 0;
    onopen: PageSocket["onopen"] = null;
    onclose: PageSocket["onclose"] = null;
    onmessage: PageSocket["onmessage"] = null;
    sent: ArrayBuffer[] = [];
    send(data: ArrayBuffer): void { this.sent.push(data); }
  }

  it("speaks over a socket as a notebook speaks over its comm", () => {
    const socket = new FakeSocket();
    const model = new SocketModel({ output_rate: 24000 }, socket);
    const heard: unknown[] = [];
    model.on("msg:custom", (content, buffers) => heard.push(content, new Uint8Array(buffers[0].buffer)[0]));
    model.on("comm:close", () => heard.push("closed"));
    const hello = new ArrayBuffer(24);
    model.send({ imkit: 1 }, undefined, [hello]);
    expect([socket.sent.length, socket.binaryType, model.get("output_rate"), model.get("media")]).toEqual([0, "arraybuffer", 24000, null]);
    socket.readyState = 1;
    socket.onopen?.({});
    expect(socket.sent).toEqual([hello]); // said before it was open, not lost
    socket.onmessage?.({ data: Uint8Array.of(7).buffer });
    socket.onmessage?.({ data: "text" });
    socket.readyState = 3;
    socket.onclose?.({});
    expect(heard).toEqual([{ imkit: 1 }, 7, "closed"]);
    expect(() => model.send({}, undefined, [hello])).toThrow("closed");
  });
});

it("light or dark, wherever the host says it", () => {
  const marks = { jupyter: null, vscode: "", named: "", prefersDark: false };
  expect(isDark({ ...marks, jupyter: "false" })).toBe(true);
  expect(isDark({ ...marks, jupyter: "true", prefersDark: true })).toBe(false);
  expect(["vscode-dark", "vscode-high-contrast"].every((vscode) => isDark({ ...marks, vscode }))).toBe(true);
  expect(["vscode-light", "vscode-high-contrast-light"].some((vscode) => isDark({ ...marks, vscode, prefersDark: true }))).toBe(false);
  expect(isDark({ ...marks, named: "app dark" })).toBe(true); // marimo and Colab
  expect(isDark({ ...marks, named: "light", prefersDark: true })).toBe(false);
  expect(isDark({ ...marks, prefersDark: true })).toBe(true);
});
