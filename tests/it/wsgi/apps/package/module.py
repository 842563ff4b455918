"""An application in a package."""

from strings import answering

app = answering("package")
