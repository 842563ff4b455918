DEBUG = True
API_KEY = None
