import unittest

from app import app


class Hello(unittest.TestCase):
    def test_it_greets(self):
        self.assertEqual(app.test_client().get("/").get_json(), {"hello": "world"})
