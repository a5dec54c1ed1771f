"""Run inside the image, beside a real PostgreSQL: python -m unittest discover tests"""
import unittest

import app


class UsersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        app.migrate()
        app.migrate()  # a second replica does the same
        cls.client = app.app.test_client()

    def test_the_first_users_are_there(self):
        answer = self.client.get("/api/users")
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.get_json(), [{"id": 1, "name": "John"}, {"id": 2, "name": "Jane"}])

    def test_the_health_check_asks_the_database(self):
        self.assertEqual(self.client.get("/healthz").status_code, 200)

    def test_an_unknown_path_is_not_found(self):
        self.assertEqual(self.client.get("/api/nobody").status_code, 404)


if __name__ == "__main__":
    unittest.main()
