// Where the page runs, and what stands between it and a microphone there. Pure but for `hostFacts`, which looks.

/** Why a page cannot capture; "" when nothing is known to be in the way. */
export type Obstacle = "" | "insecure" | "vscode" | "frame" | "unsupported";

export interface HostFacts {
  protocol: string;
  hostname: string;
  secure: boolean; // a secure context: https, or this machine
  media: boolean; // there is something to ask for a microphone
  allowed: boolean | null; // whether the frames around the page let it ask; null where the browser does not tell
  vscode: boolean; // the page carries the marks that VS Code gives its webviews
}

export function obstacleOf(f: HostFacts): Obstacle {
  const inCode = f.vscode || f.protocol === "vscode-webview:" || f.hostname.endsWith(".vscode-cdn.net");
  if (inCode) return f.media && f.allowed === true ? "" : "vscode";
  if (!f.secure) return "insecure";
  if (!f.media) return "unsupported";
  return f.allowed === false ? "frame" : "";
}

interface Policy {
  allowsFeature(name: string): boolean;
}

export function hostFacts(): HostFacts {
  const policy = (document as unknown as { featurePolicy?: Policy }).featurePolicy;
  const marks = document.body?.dataset.vscodeThemeKind ?? document.documentElement?.style.getPropertyValue("--vscode-editor-background");
  return {
    protocol: window.location.protocol,
    hostname: window.location.hostname,
    secure: window.isSecureContext,
    media: !!navigator.mediaDevices?.getUserMedia,
    allowed: policy ? policy.allowsFeature("microphone") : null,
    vscode: !!marks,
  };
}

export function obstacleHere(): Obstacle {
  return obstacleOf(hostFacts());
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

export interface SocketAddress {
  port: number;
  token: string;
  path: string;
}

/** The kernel's own page, for browsers on its machine; "" where the person is surely somewhere else. */
export function capturePageUrl(address: SocketAddress | null, obstacle: Obstacle, hostname: string): string {
  const near = obstacle === "vscode" || isLoopback(hostname); // VS Code forwards such ports from where its kernel runs
  if (!address || !obstacle || !near) return "";
  return `http://127.0.0.1:${address.port}/${address.path.replace(/^\/+/, "")}/page?t=${encodeURIComponent(address.token)}`;
}
