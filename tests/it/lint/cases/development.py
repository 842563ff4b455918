from flask import Flask

app = Flask(__name__)
app.secret_key = "do not tell"  # finds secret-in-code
app.config["SECRET_KEY"] = load_secret()
app.config.update(DEBUG=True, TESTING=False)  # finds debug
app.run(debug=True)  # finds debug

if __name__ == "__main__":
    app.debug = True
    app.run(debug=True)
