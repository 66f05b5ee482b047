"""What mkdocs.yml hooks in: the sinks' own READMEs become pages of the site, and links to what is no page become plain text."""
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


class Readme(File):
    """plugins/NAME/README.md as sinks/NAME.md."""

    def __init__(self, path, config):
        super().__init__(f"sinks/{path.parent.name}.md", str(ROOT), config["site_dir"], config["use_directory_urls"])
        self.abs_src_path = str(path)


def on_config(config):
    sinks = next(part["Sinks"] for part in config["nav"] if "Sinks" in part)
    sinks += [f"sinks/{path.parent.name}.md" for path in sorted(ROOT.glob("plugins/*/README.md"))]
    named = str(config["nav"])
    more = [path.name for path in sorted((ROOT / "docs").glob("*.md")) if f"'{path.name}'" not in named]
    config["nav"] += [{"More": more}] if more else []
    return config


def on_files(files, config):
    for path in sorted(ROOT.glob("plugins/*/README.md")):
        files.append(Readme(path, config))
    return files


def source_of(page):
    """Where the page's text stands in the repository."""
    return Path(page.file.abs_src_path).resolve().relative_to(ROOT).as_posix()


def page_of(path):
    """The page of a file of the repository; None: it has none."""
    sink = re.fullmatch(r"plugins/([^/]+)/(README\.md)?", path + ("/" if path.startswith("plugins/") and path.count("/") == 1 else ""))
    if sink:
        return f"sinks/{sink.group(1)}.md"
    return path[len("docs/"):] if path.startswith("docs/") else None


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.dirname(source_of(page))

    def link(match):
        image, text, target, anchor = match.groups()
        there = page_of(posixpath.normpath(posixpath.join(folder, target)))
        if there is None or files.get_file_from_path(there) is None:
            return text
        return f"{image}[{text}]({posixpath.relpath(there, posixpath.dirname(page.file.src_path) or '.')}{anchor or ''})"

    return LINK.sub(link, markdown)
