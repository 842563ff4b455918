# lab: refused dirty_apps, dirty_workers
dirty_apps = ["shop.tasks:Reports"]
dirty_workers = 2
