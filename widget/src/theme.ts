// Light or dark, as the page around the widget is. Hosts say it in different places.

const WATCHED = ["class", "theme", "data-theme", "data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind"];

export interface ThemeMarks {
  jupyter: string | null; // body[data-jp-theme-light]
  vscode: string; // body[data-vscode-theme-kind]
  named: string; // classes and theme attributes of html and body, as marimo and Colab set them
  prefersDark: boolean;
}

export function isDark(marks: ThemeMarks): boolean {
  if (marks.jupyter !== null) return marks.jupyter === "false";
  if (marks.vscode) return /dark|high-contrast$/.test(marks.vscode);
  const named = marks.named.split(/\s+/);
  if (named.includes("dark")) return true;
  return marks.prefersDark && !named.includes("light");
}

/** Marks `element` with data-imk-theme, now and whenever the page changes; says so after each. Returns what ends it. */
export function followTheme(element: HTMLElement, changed: () => void = () => {}): () => void {
  const { body, documentElement: html } = document;
  const prefers = window.matchMedia("(prefers-color-scheme: dark)");
  const look = (): void => {
    const named = [html, body].flatMap((one) => [one.className, one.getAttribute("theme"), one.dataset.theme]);
    const marks = {
      jupyter: body.getAttribute("data-jp-theme-light"),
      vscode: body.dataset.vscodeThemeKind ?? "",
      named: named.filter(Boolean).join(" "),
      prefersDark: prefers.matches,
    };
    element.dataset.imkTheme = isDark(marks) ? "dark" : "light";
    changed();
  };
  const watch = new MutationObserver(look);
  for (const one of [html, body]) watch.observe(one, { attributes: true, attributeFilter: WATCHED });
  prefers.addEventListener("change", look);
  look();
  return () => {
    watch.disconnect();
    prefers.removeEventListener("change", look);
  };
}
