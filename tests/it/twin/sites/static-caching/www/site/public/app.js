let text = "some text, some text";
