"""Notes: pages, a login with a session, an upload, a database."""
import os
import sqlite3
from contextlib import asynccontextmanager

from fastapi import FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware

DATABASE = os.environ.get("NOTES_DATABASE", "notes.sqlite3")


@asynccontextmanager
async def lifespan(app):
    with sqlite3.connect(DATABASE) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (number INTEGER PRIMARY KEY, text TEXT)")
    yield


app = FastAPI(title="Notes", lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key=os.environ["SECRET_KEY"], https_only=True, same_site="lax")
app.mount("/static", StaticFiles(directory="static"), name="static")


@app.get("/", response_class=HTMLResponse)
def home(request: Request):
    with sqlite3.connect(DATABASE) as connection:
        (count,) = connection.execute("SELECT count(*) FROM notes").fetchone()
    user = request.session.get("user", "nobody")
    style = request.url_for("static", path="notes.css")
    return f'<link rel="stylesheet" href="{style}"><p>{count} notes, {user}</p>'


@app.post("/login")
async def login(request: Request, user: str = Form()):
    request.session["user"] = user
    return RedirectResponse(request.url_for("home"), status_code=303)


@app.post("/upload")
async def upload(file: UploadFile):
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/notes/{number}")
async def note(number: int):
    raise HTTPException(404, f"there is no note {number}")
