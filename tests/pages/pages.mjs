// Opens pages in headless Chromium and tells what it finds, as JSON: node pages.mjs CHROMIUM SHOTS PAGE…
import { launch } from "puppeteer-core";
import { basename, join } from "node:path";

const [executablePath, shots, ...pages] = process.argv.slice(2);
const browser = await launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
for (const path of pages) {
  for (const [width, scheme] of [[1280, "light"], [390, "dark"]]) {
    const page = await browser.newPage();
    const trouble = [], asked = [];
    page.on("console", (message) => ["error", "warn"].includes(message.type()) && trouble.push(message.text()));
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("request", (request) => /^(file|data):/.test(request.url()) || asked.push(request.url()));
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(`file://${path}`);
    // Until it looks the same three times over: charts fit themselves to the page, which takes longer on a busy machine.
    for (let before = "", same = 0, turn = 0; same < 3 && turn < 100; turn += 1) {
      await new Promise((done) => setTimeout(done, 200));
      const now = await page.evaluate(() => JSON.stringify([document.documentElement.scrollWidth, ...[...document.querySelectorAll("canvas")].map((canvas) => [canvas.width, canvas.height])]));
      same = now === before ? same + 1 : 0;
      before = now;
    }
    const state = await page.evaluate(() => {
      const painted = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
      const luminance = (colour) => {
        const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const paper = luminance(getComputedStyle(document.body).backgroundColor);
      const contrast = [...document.querySelectorAll("body, p, td, th, a, figcaption")].map((element) => {
        const ink = luminance(getComputedStyle(element).color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      });
      return {
        title: document.title,
        sections: document.querySelectorAll("section").length,
        charts: [...document.querySelectorAll("canvas")].map(painted),
        labels: [...document.querySelectorAll("canvas")].map((canvas) => Chart.getChart(canvas).data.labels),
        captions: [...document.querySelectorAll("figcaption")].map((element) => element.textContent),
        named: [...document.querySelectorAll("canvas")].every((canvas) => canvas.getAttribute("aria-label")),
        matrices: document.querySelectorAll("table.matrix").length,
        matrix: [...document.querySelectorAll("table.matrix tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
        overflow: document.documentElement.scrollWidth - innerWidth,
        wide: [...document.querySelectorAll("body *")].filter((element) => !element.closest(".scroll") && (element.clientWidth > 0 && element.scrollWidth > element.clientWidth || element.getBoundingClientRect().right > innerWidth)).map((element) => `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`),
        contrast: Math.min(...contrast),
      };
    });
    await page.screenshot({ path: join(shots, `${basename(path, ".html")}-${width}.png`), fullPage: true });
    const cells = (index) => page.$$eval("section:last-of-type table:not(.matrix) tbody tr:not([hidden])", (rows, index) => rows.map((row) => row.cells[index].textContent), index);
    const heads = "section:last-of-type table:not(.matrix) th button";
    // By the keyboard, as everybody must be able to.
    const sorted = [];
    const count = (await page.$$(heads)).length;
    if (count > 0) {
      await page.focus(heads);
      for (let turn = 0; turn < 2; turn += 1) {
        await page.keyboard.press("Enter");
        sorted.push(await cells(0));
      }
    }
    let filtered = null;
    if (await page.$("section:last-of-type input")) {
      const first = (await cells(0))[0];
      await page.type("section:last-of-type input", first);
      filtered = { wanted: first, rows: await cells(0), words: await page.$eval("section:last-of-type [role=status]", (element) => element.textContent) };
    }
    found.push({ page: basename(path), width, ...state, sorted, filtered, trouble, asked });
    await page.close();
  }
}
await browser.close();
console.log(JSON.stringify(found));
