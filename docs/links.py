"""Looks whether the links of a built book lead somewhere: files, and the places in them."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.places = [], set()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("id"):
            self.places.add(attrs["id"])
        for name in ("href", "src"):
            if attrs.get(name):
                self.links.append(attrs[name])


root = Path(sys.argv[1]).resolve()
pages = {}
for path in root.rglob("*.html"):
    page = Page()
    page.feed(path.read_text())
    pages[path] = page

wrong, count = [], 0
for path, page in pages.items():
    if path.name in ("print.html", "404.html", "toc.html"):
        continue
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        count += 1
        if not target.exists():
            wrong.append(f"{path.relative_to(root)}: {link} leads nowhere")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
            wrong.append(f"{path.relative_to(root)}: {link} names no place")
print(f"{count} links of {len(pages)} pages")
if wrong:
    sys.exit("\n".join(wrong))
